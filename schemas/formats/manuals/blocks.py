"""The blocks of a manual page while it is read from top to bottom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.formats import html

_DEEPEST = 30
"""Indentations within each other that are followed."""


@dataclass
class _Level:
    """An indentation, and the list that is open in it."""

    kind: str = ""
    """The element of the list; empty where none is open."""
    waits: bool = False
    """Whether its definition has not begun, so that another term may come."""


class Blocks:
    """Text that is filled into paragraphs, code, and lists within lists."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._out: list[str] = []
        """HTML of the current section."""
        self._levels = [_Level()]
        self._words: list[str] = []
        """Parts of the current paragraph, with the white space before each."""
        self._lines: list[str] | None = None
        """Lines of the current code; None where text is filled."""
        self._glued = False
        """Whether the next text follows without white space."""

    def end(self) -> list[str]:
        """The blocks: one for each section."""
        self._end_section()
        return self._done

    def heading(self, level: int, text: str) -> None:
        """A heading, which ends all that is open."""
        self._end_section()
        if text.strip():
            self._done.append(html.heading(level, " ".join(text.split())))

    def text(self, text: str, glued: bool = False) -> None:
        """Text of the current paragraph, or a line of code. ``glued``: the next follows at once."""
        if self._lines is not None:
            if self._glued and self._lines:
                self._lines[-1] += text
            else:
                self._lines.append(text)
        elif text:
            self._words.append(text if self._glued or not self._words else f" {text}")
        self._glued = glued

    def line_break(self) -> None:
        """End the line, but not the paragraph."""
        if self._words and self._words[-1] != "\n" and self._lines is None:
            self._words.append("\n")
            self._glued = True

    def blank(self) -> None:
        """Vertical space: a blank line of code, or the end of a paragraph of the current item."""
        if self._lines is not None:
            self._lines.append("")
        else:
            self.end_paragraph()

    def end_paragraph(self) -> None:
        """End the paragraph, but not the item or definition that it is in."""
        words = "".join(self._words).strip("\n")
        self._words, self._glued = [], False
        if words.strip():
            self._begin_content()
            lines = (html.text(" ".join(line.split())) for line in words.split("\n"))
            self._out.append(html.element("p", "<br>".join(lines)))

    def paragraph(self) -> None:
        """Begin a paragraph outside of the lists of the current indentation."""
        if self._lines is not None:
            self._lines.append("")
            return
        self.end_paragraph()
        self._end_list()

    def begin_code(self) -> None:
        """Keep the lines of what follows."""
        if self._lines is None:
            self.end_paragraph()
            self._lines = []

    def end_code(self) -> None:
        """Fill what follows into paragraphs."""
        lines, self._lines = self._lines, None
        code = "\n".join(line.rstrip() for line in lines or ()).strip("\n")
        self._glued = False
        if code.strip():
            self._begin_content()
            self._out.append(html.code(code))

    def item(self, kind: str, term: str = "") -> None:
        """Begin an item of a list: ``ul``, ``ol``, or ``dl`` with its term."""
        self._end_text()
        level = self._levels[-1]
        if level.kind != kind:
            self._end_list()
            self._begin_content()
            self._out.append(f"<{kind}>")
            level.kind = kind
        else:
            self._end_item(level)
        if kind == "dl":
            self._out.append(html.element("dt", html.text(" ".join(term.split()))))
            level.waits = True
        else:
            self._out.append("<li>")

    def another_term(self, term: str) -> None:
        """Add a term to a definition that has no text yet."""
        self._end_text()
        if not self._levels[-1].waits:
            self.item("dl", term)
            return
        self._out.append(html.element("dt", html.text(" ".join(term.split()))))

    def indent(self) -> None:
        """Begin an indentation, whose lists are within the current item."""
        self._end_text()
        if len(self._levels) < _DEEPEST:
            self._begin_content()
            self._levels.append(_Level())

    def dedent(self) -> None:
        """End an indentation."""
        self._end_text()
        if len(self._levels) > 1:
            self._end_list()
            self._levels.pop()

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """A table."""
        self._end_text()
        self._begin_content()
        self._out.append(html.table(rows))

    def _end_text(self) -> None:
        if self._lines is not None:
            self.end_code()
            self._lines = []  # lines are kept until the page says otherwise
        else:
            self.end_paragraph()

    def _end_section(self) -> None:
        if self._lines is not None:
            self.end_code()
        self.end_paragraph()
        while len(self._levels) > 1:
            self._end_list()
            self._levels.pop()
        self._end_list()
        if self._out:
            self._done.append("".join(self._out))
        self._out = []

    def _begin_content(self) -> None:
        """Begin the definition that waits for its text."""
        level = self._levels[-1]
        if level.waits:
            self._out.append("<dd>")
            level.waits = False

    def _end_list(self) -> None:
        level = self._levels[-1]
        if level.kind:
            self._end_item(level)
            self._out.append(f"</{level.kind}>")
            level.kind = ""

    def _end_item(self, level: _Level) -> None:
        if level.kind == "dl":
            self._out.append("<dd></dd>" if level.waits else "</dd>")
            level.waits = False
        else:
            self._out.append("</li>")
