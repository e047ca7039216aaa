"""Division of a block that is too long, at the next finer border that it has.

The borders, from coarse to fine: a blank line that is not within an item; an item, a row or an
entry with the smallest indentation; any blank line; a line; a sentence. Each is used only where the
parts that the coarser one gives are still too long. Code in a fence is not divided, nor is a
sentence.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from agents.passages.leaning import BULLET, is_code, is_item, is_row
from agents.passages.sentences import TERMINALS, phrase_starts, sentence_starts

_BLANK = re.compile(r"\n(?:[ \t]*\n)+")
_LINE = re.compile(r"\n")
_INDENTATION = re.compile(r"[ \t]*")
_ENDS_SENTENCE = re.compile(rf"[{TERMINALS}:;][\"'’”»)\]]*[ \t]*$", re.MULTILINE)
_CELL = re.compile(r"[ \t]*\||[^\n|]{0,200} \| ")
_RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*\Z")
"""The line below the head of a Markdown table."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a section that is not divided."""

    text: str
    joint: str
    """What parts it from the piece before, in the document."""
    cost: float = 0.0
    """How bad a cut before it is: 0 between paragraphs."""
    lead: str = ""
    """What a passage that begins here repeats: the list's introduction, the table's head. It ends
    in the white space that parts it from the text.
    """
    inside: bool = False
    """Whether it continues the piece before, so that a passage cannot begin here without a lead."""


def divide(block: str, joint: str, longest: int, introduction: str) -> list[Piece]:
    """The pieces of a block that is over ``longest`` characters; one where it has no border.

    ``introduction`` is what leads into the block. A passage that begins with a later item of a list
    repeats it; one that begins with a later row of a table repeats the head as well.
    """
    if block.lstrip().startswith(("```", "~~~")):
        return [Piece(block, joint)]
    first = f"{introduction}\n\n" if introduction and (is_row(block) or is_item(block)) else ""
    lead = first + (f"{_head(block)}\n" if is_row(block) else "")
    if len(lead) * 2 > longest:
        first = lead = ""
    pieces = _divide(block, joint, 0.0, longest - len(lead), lead)
    return [replace(pieces[0], lead=first), *pieces[1:]]


def _divide(text: str, joint: str, cost: float, longest: int, lead: str) -> list[Piece]:
    if len(text) <= longest:
        return [Piece(text, joint, cost, lead)]
    for finer, starts in _BORDERS:
        at = [0, *starts(text)]
        if len(at) == 1:
            continue
        pieces: list[Piece] = []
        for start, end in zip(at, [*at[1:], len(text)], strict=True):
            part = text[start:end].rstrip()
            if pieces:
                joint, cost = text[_end(text, start) : start], max(cost, finer)
            if part:
                pieces += _divide(part, joint, cost, longest, lead)
        return pieces
    return [Piece(text, joint, cost, lead)]


def _end(text: str, start: int) -> int:
    """End of the text before ``start``, without white space."""
    while start and text[start - 1].isspace():
        start -= 1
    return start


def _paragraphs(text: str) -> Iterator[int]:
    return (blank.end() for blank in _BLANK.finditer(text))


def _outer_paragraphs(text: str) -> Iterator[int]:
    """Starts of paragraphs, without those that belong to an item: its code, its explanation."""
    if not BULLET.match(text):
        return _paragraphs(text)
    least = _indentation(text, 0)
    return (at for at in _paragraphs(text) if _indentation(text, at) <= least)


def _entries(text: str) -> Iterator[int]:
    """Starts of items and rows with the smallest indentation, or of terms above indented lines."""
    starts = [0, *(line.end() for line in _LINE.finditer(text))]
    items = [at for at in starts if BULLET.match(text, at) or _CELL.match(text, at)]
    if len(items) * 2 >= len(starts) or (items and items[0] == 0):
        least = min(_indentation(text, at) for at in items)
        return (at for at in items if at and _indentation(text, at) <= least)
    least = min(_indentation(text, at) for at in starts)
    outer = [at for at in starts if _indentation(text, at) == least]
    if len(outer) * 4 > len(starts) * 3:  # hardly any line is indented
        return iter(())
    return (at for at in outer if at and _indentation(text, _line_before(text, at)) > least)


def _lines(text: str) -> Iterator[int]:
    """Starts of lines, where lines end as sentences do: not in a paragraph that is wrapped."""
    lines = text.count("\n") + 1
    if len(_ENDS_SENTENCE.findall(text)) * 2 >= lines or is_code(text):
        return (line.end() for line in _LINE.finditer(text))
    return iter(())


def _any_lines(text: str) -> Iterator[int]:
    return (line.end() for line in _LINE.finditer(text))


_BORDERS: tuple[tuple[float, Callable[[str], Iterator[int]]], ...] = (
    (0.05, _outer_paragraphs),
    (0.1, _entries),
    (0.1, _paragraphs),
    (0.1, _lines),
    (0.3, sentence_starts),
    (0.5, _any_lines),
    (0.6, phrase_starts),
)
"""Functions that find the borders of a kind, coarse to fine, with the cost of a cut there."""


def _indentation(text: str, at: int) -> int:
    found = _INDENTATION.match(text, at)
    return len(found[0].expandtabs(4)) if found else 0


def _line_before(text: str, at: int) -> int:
    return text.rfind("\n", 0, max(0, at - 1)) + 1


def _head(table: str) -> str:
    """The first row of a table, with the rule below it."""
    lines = table.split("\n", 2)
    return "\n".join(lines[:2]) if len(lines) > 1 and _RULE.match(lines[1]) else lines[0]
