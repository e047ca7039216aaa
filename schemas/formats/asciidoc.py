"""AsciiDoc as HTML: https://docs.asciidoctor.org/asciidoc/latest/.

No library for Python reads it that has a licence which allows its use here. This reads what manuals
are written in: sections, paragraphs, lists, blocks, tables and inline markup. Included files and
extensions are left out, and counted.
"""

import re
from collections.abc import Sequence

from schemas.formats import html
from schemas.formats.asciidoc_inline import Inline
from schemas.formats.asciidoc_tables import table_rows
from schemas.formats.converted import Converted, not_included

_SECTION = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*")
_UNDERLINES = "=-~^+"
_SLACK = 2
"""Characters by which an underline may be longer or shorter than its title."""
_ATTRIBUTE = re.compile(r":(!?[\w][\w-]*!?):(?:[ \t]+(.*))?")
_BLOCK_ATTRIBUTES = re.compile(r"\[(?:\[[^\[\]]*\]|[^\[\]]*(?:\"[^\"]*\"[^\[\]]*)*)\][ \t]*")
_PART = re.compile(r"(?:[^,\"]|\"[^\"]*\"?)+")
_BLOCK_TITLE = re.compile(r"\.(?=[^\s.])(.+)")
_DELIMITER = re.compile(
    r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|[|,:!]={3,}|```.*)[ \t]*"
)
_MACRO = re.compile(r"(image|video|audio|toc|include|gist|asciimath|diagram)::(\S*?)\[.*\][ \t]*")
_CONDITION = re.compile(r"(ifdef|ifndef|ifeval|endif)::([^\s\[\]]*)\[(.*)\][ \t]*")
_ITEM = re.compile(r"[ \t]*(\*{1,5}|-|\.{1,5}|\d{1,4}\.|[a-z]\.|<(?:\d{1,2}|\.)>)[ \t]+(?=\S)(.*)")
_TERM = re.compile(r"[ \t]*(\S.*?)(:{2,4}|;;)(?:[ \t]+(.*))?")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(?=\S)")
_LABELS = frozenset(("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"))
_CODE = frozenset(("source", "listing", "literal", "verse", "stem", "latexmath", "asciimath"))
_DEEPEST = 20
"""Blocks within blocks that are read."""


def read_asciidoc(text: str) -> Converted:
    """An AsciiDoc document."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    reader = _Reader(Inline())
    reader.read(_without_header(lines))
    warnings = (not_included(reader.left_out),) if reader.left_out else ()
    return Converted(reader.end(), None, warnings)


def _without_header(lines: Sequence[str]) -> Sequence[str]:
    """The lines below the title without those on the author and the revision."""
    start = next((i for i, line in enumerate(lines) if line and not line.startswith("//")), 0)
    titled = _title_at(lines, start)
    if not titled or titled[0] != 1:
        return lines
    at = start + titled[2]
    while at < len(lines) and lines[at]:
        if lines[at].startswith(":") or _CONDITION.fullmatch(lines[at]):
            break
        at += 1
    return [*lines[start : start + titled[2]], "", *lines[at:]]


def _title_at(lines: Sequence[str], at: int) -> tuple[int, str, int] | None:
    """Level, title and number of lines of the section title at a position."""
    if at >= len(lines):
        return None
    if match := _SECTION.fullmatch(lines[at]):
        return len(match[1]), match[2], 1
    title, under = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
    if (
        len(under) > 2
        and under[0] in _UNDERLINES
        and under == under[0] * len(under)
        and abs(len(under) - len(title)) <= _SLACK
        and title[:1].strip()
        and any(map(str.isalnum, title))
        and not _ITEM.fullmatch(title)
        and not title.startswith((".", "[", "|"))
    ):
        return _UNDERLINES.index(under[0]) + 1, title, 2
    return None


class _Reader:
    """Reads blocks from top to bottom."""

    def __init__(self, inline: Inline, depth: int = 0) -> None:
        self.inline = inline
        self.left_out = 0
        self._depth = depth
        self._done: list[str] = []
        self._out: list[str] = []
        """HTML of the current block, which may be a list."""
        self._lists: list[tuple[str, str]] = []
        """The open lists: their marks and elements."""
        self._attributes: list[str] = []
        """Those that stand above the next block."""
        self._caption = ""
        self._continues = False
        """Whether a line with a plus attaches the next block to the item."""

    def end(self) -> list[str]:
        """The blocks."""
        self._end_lists(0)
        self._flush()
        return self._done

    def read(self, lines: Sequence[str]) -> None:
        """Read blocks."""
        at, blank = 0, True
        while at < len(lines):
            line = lines[at]
            if not line:
                at, blank = at + 1, True
                continue
            after = self._marks(lines, at)
            if after == at:
                after = self._block(lines, at, blank)
            at, blank = after, False

    def _marks(self, lines: Sequence[str], at: int) -> int:
        """Read what is no block by itself; return the position after it."""
        line = lines[at]
        if line.startswith("//") and not line.startswith("///"):
            return at + 1
        if line == "+":
            self._continues = True
            return at + 1
        if match := _CONDITION.fullmatch(line):
            return self._condition(match, lines, at)
        if match := _ATTRIBUTE.fullmatch(line):
            return self._define(match, lines, at)
        if line.startswith("[") and _BLOCK_ATTRIBUTES.fullmatch(line):
            if not line.startswith("[["):
                self._attributes += [part.strip() for part in _PART.findall(line.strip()[1:-1])]
            return at + 1
        if match := _MACRO.fullmatch(line):
            self.left_out += match[1] == "include"
            return at + 1
        if line in ("'''", "<<<", "---", "***", "* * *"):
            return at + 1
        if (
            not self._continues
            and (match := _BLOCK_TITLE.fullmatch(line))
            and not _ITEM.match(line)
        ):
            self._caption = match[1]
            return at + 1
        return at

    def _condition(self, match: re.Match[str], lines: Sequence[str], at: int) -> int:
        kind, names, content = match.groups()
        defined = any(name in self.inline.attributes for name in re.split(r"[,+]", names))
        if kind == "endif" or kind == "ifeval" or defined == (kind == "ifdef"):
            if kind != "ifeval" and content:
                self._paragraph([content])
            return at + 1
        if content:
            return at + 1
        open = 1
        while open and (at := at + 1) < len(lines):
            if inner := _CONDITION.fullmatch(lines[at]):
                opens = inner[1] != "endif" and (inner[1] == "ifeval" or not inner[3])
                open += 1 if opens else -(inner[1] == "endif")
        return at + 1

    def _define(self, match: re.Match[str], lines: Sequence[str], at: int) -> int:
        name, value = match[1], match[2] or ""
        while value.endswith((" \\", " +")) and at + 1 < len(lines):
            at += 1
            value = f"{value[:-2]} {lines[at].strip()}"
        if "!" in name:
            self.inline.attributes.pop(name.strip("!"), None)
        else:
            self.inline.attributes[name] = value
        return at + 1

    def _block(self, lines: Sequence[str], at: int, blank: bool) -> int:
        """Read the block at a position; return the position after it."""
        line = lines[at]
        titled = _title_at(lines, at) if blank or line.startswith(("=", "#")) else None
        if titled and not self._depth:
            self._end_lists(0)
            self._flush()
            self._done.append(html.heading(titled[0], self.inline.plain(titled[1])))
            self._attributes, self._caption = [], ""
            return at + titled[2]
        if delimiter := _DELIMITER.fullmatch(line):
            return self._delimited(delimiter[1], lines, at)
        item = _ITEM.fullmatch(line)
        term = None if item else _TERM.fullmatch(line)
        if (item or term) and self._attributes[:1] not in ([name] for name in _CODE):
            return self._item(item, term, lines, at)
        end = at + 1
        while end < len(lines) and lines[end] and not self._interrupts(lines, end):
            end += 1
        if blank and not self._continues and not line.startswith((" ", "\t")):
            self._end_lists(0)
        self._text(lines[at:end], blank)
        return end

    def _interrupts(self, lines: Sequence[str], at: int) -> bool:
        """Whether a line ends the paragraph that is above it."""
        line = lines[at]
        return bool(
            line == "+"
            or line.startswith("//")
            or _DELIMITER.fullmatch(line)
            or _CONDITION.fullmatch(line)
            or (line.startswith("[") and _BLOCK_ATTRIBUTES.fullmatch(line))
            or (self._lists and (_ITEM.fullmatch(line) or _TERM.fullmatch(line)))
        )

    def _text(self, lines: Sequence[str], blank: bool) -> None:
        """A paragraph, or code where it is indented or so styled."""
        style = self._attributes[0] if self._attributes else ""
        if style in _CODE:
            self._begin()
            self._out.append(html.code("\n".join(lines)))
        elif lines[0].startswith((" ", "\t")) and (blank or self._continues):
            indent = min(len(line) - len(line.lstrip()) for line in lines)
            self._begin()
            self._out.append(html.code("\n".join(line[indent:] for line in lines)))
        else:
            self._begin()
            self._paragraph(lines)
        self._end_block()

    def _paragraph(self, lines: Sequence[str]) -> None:
        label = self._attributes[0] if self._attributes and self._attributes[0] in _LABELS else ""
        first = lines[0].lstrip()
        if match := _ADMONITION.match(first):
            label, first = match[1], first[match.end() :]
        if label:
            self._out.append(html.paragraph(label.capitalize()))
        text = "\n".join([first, *(line.strip() for line in lines[1:])])
        parts = (html.text(" ".join(part.split())) for part in self.inline.plain(text).split("\v"))
        self._out.append(html.element("p", "<br>".join(parts)))

    def _begin(self) -> None:
        """Begin a block: outside of lists, the one before is done."""
        if not self._lists:
            self._flush()
        if self._caption:
            self._out.append(html.paragraph(self.inline.plain(self._caption)))
            self._caption = ""

    def _end_block(self) -> None:
        self._attributes, self._continues = [], False

    def _flush(self) -> None:
        if self._out and not self._lists:
            self._done.append("".join(self._out))
            self._out = []

    def _delimited(self, mark: str, lines: Sequence[str], at: int) -> int:
        close = mark[:3] if mark.startswith("```") else mark
        end = at + 1
        while end < len(lines) and lines[end] != close:
            end += 1
        content = lines[at + 1 : end]
        style = self._attributes[0] if self._attributes else ""
        if not self._continues and not self._depth:
            self._end_lists(0)
        kind = mark[0]
        if kind in "/+":
            self._caption = ""
        elif mark[1:4] == "===" and kind in "|,:!":
            self._begin()
            self._out.append(
                html.table(table_rows(content, self._attributes, kind, self.inline.plain))
            )
        elif kind in "`." or (kind == "-" and len(mark) > 2) or style in _CODE:
            self._begin()
            self._out.append(html.code("\n".join(content)))
        elif self._depth < _DEEPEST:
            self._begin()
            if style in _LABELS:
                self._out.append(html.paragraph(style.capitalize()))
            inner = _Reader(self.inline, self._depth + 1)
            inner.read(content)
            self._out += inner.end()
            self.left_out += inner.left_out
        self._end_block()
        return min(end + 1, len(lines))

    def _item(
        self,
        item: re.Match[str] | None,
        term: re.Match[str] | None,
        lines: Sequence[str],
        at: int,
    ) -> int:
        """An item with the lines of its text, or a term with its definition."""
        if item:
            mark = item[1]
            kind = "ul" if mark[0] in "*-" else "ol"
            mark = mark if mark[0] in "*-." else "<" if mark[0] == "<" else "1."
            self._open(mark, kind)
            self._out.append("<li>")
            text = item[2]
        else:
            assert term is not None
            mark, kind, text = term[2], "dl", term[3] or ""
            self._open(mark, kind)
            self._out.append(html.element("dt", html.text(self.inline.plain(term[1]))))
            self._out.append("<dd>")
        self._end_block()
        end = at + 1
        while end < len(lines) and lines[end] and not self._interrupts(lines, end):
            end += 1
        words = [part for part in (text, *(line.strip() for line in lines[at + 1 : end])) if part]
        if words:
            self._paragraph(words)
        elif term and end < len(lines):
            return self._definition(lines, end)
        return end

    def _definition(self, lines: Sequence[str], at: int) -> int:
        """A definition that begins below its term, after blank lines."""
        start = at
        while start < len(lines) and not lines[start]:
            start += 1
        if start == at or start == len(lines) or self._interrupts(lines, start):
            return at
        end = start
        while end < len(lines) and lines[end] and not self._interrupts(lines, end):
            end += 1
        if _title_at(lines, start) or _DELIMITER.fullmatch(lines[start]):
            return at
        self._paragraph([line.strip() for line in lines[start:end]])
        return end

    def _open(self, mark: str, kind: str) -> None:
        """Begin an item of the list with this mark, within the lists with other ones."""
        marks = [open for open, _ in self._lists]
        if mark in marks:
            self._end_lists(marks.index(mark) + 1)
            self._out.append("</dd>" if kind == "dl" else "</li>")
            return
        if not self._lists:
            self._begin()
        self._lists.append((mark, kind))
        self._out.append(f"<{kind}>")

    def _end_lists(self, kept: int) -> None:
        while len(self._lists) > kept:
            _, kind = self._lists.pop()
            self._out.append(f"{'</dd>' if kind == 'dl' else '</li>'}</{kind}>")
