"""What dialects of Markdown have that is no text: front matter, data, marks, notes."""

import json
import re
from collections.abc import Iterator

from agents.passages.markdown_marks import Marks
from agents.passages.myst import without_myst

_FRONT_MATTER = re.compile(
    r"\A\s*(?:---[ \t]*\n(?=(?:[ \t]*#.*\n|\s)*+(?:---|\.\.\.|[^\n:]+:))"
    r"(?:.*\n)*?(?:---|\.\.\.)|\+\+\+[ \t]*\n(?:.*\n)*?\+\+\+)[ \t]*(?:\n|\Z)"
)
"""YAML between lines of hyphens, where it begins with a key, and TOML between lines of plus."""
_JSON_MATTER = re.compile(r"\A\s*(\{\n.*?\n\})[ \t]*(?:\n|\Z)", re.DOTALL)
_DATA = r"data:[\w.+-]{1,80}/[\w.+-]{1,80}(?:;[\w=.-]{1,80})*;base64,[\w+/=%-]*+"
_DATA_IMAGE = re.compile(
    rf"!\[[^\[\]\n]{{0,1000}}\]\(\s*<?{_DATA}[^)\n]{{0,1000}}\)|<img\b[^<>]{{0,1000}}?{_DATA}[^<>]{{0,1000}}>|{_DATA}"
)
"""An image whose bytes are in the text, or the bytes."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARK = re.compile(
    r"[ \t]*(?::{3,}.*|\[\[?(?:toc|_toc_)\]?\]|\{:[^{}]*\}|\*\[[^\]]{1,100}\]:.*"
    r"|(?-i:import|export)\s.*\sfrom\s+['\"][^'\"]*['\"];?|(?-i:import)\s+['\"][^'\"]*['\"];?"
    r"|(?-i:export\s+(?:const|let|default))\s.*[;\])}])[ \t]*\Z",
    re.IGNORECASE,
)
"""A line that is no text: the border of a container, a place for contents, a class, what an
abbreviation is short for, an import.
"""
_IMPORT = re.compile(r"(?:import|export)\s[^'\"]{0,200}\{[^}]{0,200}\Z")
"""The first line of an import that goes on."""
_IMPORTED_NAMES = re.compile(r"[\w$*, \t]*[\w$*,][ \t]*\Z")
_IMPORT_END = re.compile(r"[\w$*, \t]*\}\s*from\s+['\"][^'\"]*['\"];?[ \t]*\Z")
_BLOCK_LABEL = re.compile(r"[ \t]\^(?=[\w-]*[a-zA-Z-])[\w-]{4,100}[ \t]*\Z")
"""The name of a block in Obsidian, which links use."""
_HIGHLIGHT = re.compile(r"[ \t]*\{%-?\s*highlight\s+([\w+#-]*)[^%\n]*%\}[ \t]*\Z")
_HIGHLIGHT_END = re.compile(r"[ \t]*\{%-?\s*endhighlight\s*-?%\}[ \t]*\Z")
"""The borders of code in Jekyll."""
_HIGHLIGHTED = "{% highlight"
"""Stands for the marks of the fence of such code."""
_FENCE_MARKS = "```"
_CONTAINER = re.compile(r"( *)(?:!!!|\?\?\?\+?|===\+?)[ \t]+(?:[\w-]|\").*\Z")
"""The first line of an admonition or a tab, with its content indented below it."""
_ALERT = re.compile(r"((?:[ \t]*>)+[ \t]*)\[![\w-]{1,30}\][+-]?[ \t]*")
"""The mark of an alert or a callout, which is a quotation: its title may follow."""
_NOTE = re.compile(r"\[\^([^\]\s]{1,100})\]:")
"""The first line of a footnote."""
_NOTE_MARK = re.compile(r"\[\^([^\]\s`]{1,100})\](?![:(])")
_INDENT = 4


def without_dialect(text: str) -> str:
    """A Markdown text, its lines ended by a line feed, without what is not text in it.

    Left out are front matter in YAML, TOML and JSON, images in base64, footnotes with their marks,
    imports of MDX, and the marks of containers and alerts, whose content is kept. So are those of
    roles and directives (``myst.py``), of templates and comments (``markdown_marks.py``). Code in
    fences is unchanged.
    """
    text = _without_front_matter(text)
    if "base64," in text:
        text = _DATA_IMAGE.sub("", text)
    notes: set[str] = set()
    lines = text.split("\n")
    text = "\n".join(_lines(list(without_myst(lines)) if "{" in text else lines, notes))
    if notes:
        text = _NOTE_MARK.sub(lambda mark: "" if mark[1] in notes else mark[0], text)
    return text


def _without_front_matter(text: str) -> str:
    matter = _FRONT_MATTER.match(text)
    if matter is None and (found := _JSON_MATTER.match(text)):
        try:
            json.loads(found[1])
        except ValueError:
            return text
        matter = found
    return text[matter.end() :] if matter else text


def _lines(lines: list[str], notes: set[str]) -> Iterator[str]:
    """The lines without marks and footnotes; the labels of those are added to ``notes``."""
    marks = Marks(lines)
    fence = ""
    dedent = 0
    """Indentation of the content of the current container."""
    in_note = False
    imported = 0
    """Lines that belong to an import."""
    for number, line in enumerate(lines):
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        if dedent and bare and indent < dedent and not marks.in_comment:
            dedent = 0
        inner = line[min(dedent, indent) :]
        if fence:
            ended = _is_end(fence, inner)
            yield _FENCE_MARKS if ended and fence == _HIGHLIGHTED else inner
            fence = "" if ended else fence
            continue
        if number < imported or (in_note and (not bare or indent >= 2)):
            continue
        in_note = False
        if not marks.in_comment and (highlight := _HIGHLIGHT.match(inner)):
            fence = _HIGHLIGHTED
            yield _FENCE_MARKS + highlight[1]
            continue
        if marks.in_comment or indent - dedent < _INDENT:
            commented = marks.in_comment
            shown = marks.cut(number, inner)
            if not shown.strip() and (bare or commented):
                if not (commented and marks.in_comment):
                    yield ""
                continue
            inner = shown
        if opened := _FENCE.match(inner):
            fence = opened[1]
        elif container := _CONTAINER.match(inner):
            dedent += len(container[1]) + _INDENT
            yield ""
            continue
        elif imported_now := _lines_of_import(lines, number):
            imported = number + imported_now
            continue
        elif _MARK.match(inner):
            yield ""
            continue
        elif note := _NOTE.match(inner):
            notes.add(note[1])
            in_note = True
            continue
        elif alert := _ALERT.match(inner):
            if alert.end() == len(inner):
                continue
            inner = alert[1] + inner[alert.end() :]
        yield _BLOCK_LABEL.sub("", inner)


def _is_end(fence: str, line: str) -> bool:
    if fence == _HIGHLIGHTED:
        return _HIGHLIGHT_END.match(line) is not None
    line = line.strip()
    return line.startswith(fence) and not line.strip(fence[0])


def _lines_of_import(lines: list[str], number: int) -> int:
    """How many lines an import has that begins here and goes on; 0 where none does."""
    if _IMPORT.match(lines[number]):
        for at in range(number + 1, len(lines)):
            if _IMPORT_END.match(lines[at]):
                return at + 1 - number
            if not _IMPORTED_NAMES.match(lines[at]):
                break
    return 0
