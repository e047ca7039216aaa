"""Reader for plain text with underlined headings.

A heading is a single line underlined with ``===``, ``---``, ``***``, ``~~~``, ``^^^`` or double
quotes, as in reStructuredText, Python's help topics and many READMEs. As in reStructuredText, the
order in which the kinds of underline first appear is the order of their levels.
"""

import re
from collections import Counter
from collections.abc import Iterator

from agents.passages.leaning import leads_on
from agents.passages.sections import Continued, Section, Trail

_UNDERLINE = re.compile(r"^([=\-*~^\"])\1{2,}[ \t]*$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_NUMBER = re.compile(r"\d+")
_LONGEST_TERM = 100
_SLACK = 2
"""Characters by which an underline may be shorter than its heading."""


def read_plain_text(text: str, title: str | None = None) -> Iterator[Section]:
    """The sections of a plain text, in order. A text without headings is one section."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\f" in text:
        text = _without_running_heads(text)
    trail = Trail(title)
    levels: list[str] = []
    start = 0
    for underline in _UNDERLINE.finditer(text):
        line = _line_above(text, underline.start(), start)
        if line is None:
            continue
        begin, heading = line
        if blocks := _blocks(text[start:begin]):
            yield Section(trail.headings, blocks)
        mark = underline[1]
        if mark not in levels:
            levels.append(mark)
        trail.enter(levels.index(mark) + 1, heading)
        start = underline.end()
    if blocks := _blocks(text[start:]):
        yield Section(trail.headings, blocks)


def _without_running_heads(text: str) -> str:
    """A text whose pages are parted by form feeds, without their first and last lines.

    Such a line is left out where it is on most of the pages, with another number.
    """
    pages = [page.strip("\n") for page in text.split("\f")]
    heads, feet = Counter(map(_head, pages)), Counter(map(_foot, pages))
    kept: list[str] = []
    for page in pages:
        head, foot = _head(page), _foot(page)
        if head and heads[head] * 2 > len(pages) and heads[head] > 1:
            page = page.partition("\n")[2].strip("\n")
        if foot and feet[foot] * 2 > len(pages) and feet[foot] > 1:
            page = page.rpartition("\n")[0].rstrip()
        kept.append(page)
    return "\n\n".join(kept)


def _head(page: str) -> str:
    return _NUMBER.sub("0", page.partition("\n")[0].strip())


def _foot(page: str) -> str:
    return _NUMBER.sub("0", page.rstrip().rpartition("\n")[2].strip())


def _line_above(text: str, underline: int, start: int) -> tuple[int, str] | None:
    """The heading above the underline at ``underline``, and its start; None where there is none.

    A heading is preceded by a blank line, by the start of the text, or by an overline of the same
    kind.
    """
    end = underline - 1
    if end <= start:
        return None
    begin = text.rfind("\n", start, end) + 1 or start
    heading = text[begin:end].strip()
    length = text.find("\n", underline)
    length = (len(text) if length < 0 else length) - underline
    if (
        not heading
        or not len(heading) - _SLACK <= length <= 2 * len(heading) + _SLACK
        or _UNDERLINE.match(text, begin, end)
    ):
        return None
    if begin <= start:
        return begin, heading
    above = text.rfind("\n", start, begin - 1) + 1 or start
    line = text[above : begin - 1].strip()
    if line and line == text[underline : underline + length].strip():
        return above, heading
    return (begin, heading) if not line else None


def _blocks(text: str) -> list[str]:
    """Paragraphs of a text. Indentation is kept, because code and grammars need it.

    A paragraph with more indentation than the least continues what is above it. Its term is the
    line above that has less.
    """
    blocks = [block for piece in _BLANK_LINES.split(text) if (block := piece.strip("\n").rstrip())]
    indents = [min(map(_indentation, block.splitlines())) for block in blocks]
    least = min(indents, default=0)
    term = ""
    for index, (block, indent) in enumerate(zip(blocks, indents, strict=True)):
        if indent > least:
            blocks[index] = continued = Continued(block)
            continued.term = term
        else:
            is_term = "\n" not in block and len(block) <= _LONGEST_TERM and leads_on(block)
            term = block if is_term else ""
    return blocks


def _indentation(line: str) -> int:
    """Width of the white space before a line; that of a blank one does not count."""
    bare = line.lstrip(" \t")
    return len(line[: len(line) - len(bare)].expandtabs(8)) if bare else 1_000
