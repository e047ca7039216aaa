"""The macros of man(7), and those of pod2man and DocBook."""

from collections.abc import Callable, Sequence

from schemas.formats.manuals.blocks import Blocks
from schemas.formats.manuals.escapes import plain
from schemas.formats.manuals.requests import Call, Requests
from schemas.formats.manuals.tables import table_rows

_FONTS = frozenset(("B", "I", "SM", "SB", "R", "CW"))
_ALTERNATING = frozenset(("BI", "BR", "IB", "IR", "RB", "RI"))
_PARAGRAPHS = frozenset(("P", "PP", "LP", "HP"))
_OTHERS = (
    "TH SH SS TP TQ IP RS RE UR UE MT ME SY YS OP EX EE Vb Ve Sp IX TS TE URL MTO nf fi".split()
)
OWN = _FONTS | _ALTERNATING | _PARAGRAPHS | frozenset(_OTHERS)
_BULLETS = frozenset("•*o+-·∙□○–—")


class Man:
    """Reads a page."""

    def __init__(self, blocks: Blocks, requests: Requests) -> None:
        self._blocks = blocks
        self._requests = requests
        self._next: Callable[[str], None] | None = None
        """Takes the next text, such as the term of ``.TP``."""
        self._table: list[str] | None = None
        self._url = ""
        """The address of a link that has no text yet."""

    def read(self, lines: Sequence[str]) -> None:
        """Read a page."""
        for call in self._requests.calls(lines, OWN):
            if self._table is not None:
                self._in_table(call)
            elif call.name:
                self._macro(call)
            else:
                self._line(call.text)

    def _plain(self, text: str) -> str:
        return plain(text, self._requests.strings)

    def _line(self, line: str) -> None:
        if not line.strip():
            self._blocks.blank()
            return
        if line[0] == " ":
            self._blocks.line_break()
        self._text(line)

    def _text(self, text: str) -> None:
        glued = text.endswith("\\c")
        self._url = ""
        if self._next:
            take, self._next = self._next, None
            take(self._plain(text))
        else:
            self._blocks.text(self._plain(text), glued)

    def _macro(self, call: Call) -> None:
        name = call.name
        if name in _FONTS or name in _ALTERNATING:
            if arguments := call.arguments:
                self._text(("" if name in _ALTERNATING else " ").join(arguments))
        elif name in _PARAGRAPHS:
            self._next = None
            self._blocks.paragraph()
        elif name in ("SH", "SS"):
            self._fill()
            level = 3 if name == "SS" else 2
            heading = " ".join(call.arguments)
            if heading:
                self._blocks.heading(level, self._plain(heading))
            else:
                self._next = lambda text: self._blocks.heading(level, text)
        elif name == "TP":
            self._next = lambda text: self._blocks.item("dl", text)
        elif name == "TQ":
            self._next = self._blocks.another_term
        elif name == "IP":
            self._item([self._plain(argument) for argument in call.arguments])
        elif name == "RS":
            self._blocks.indent()
        elif name == "RE":
            self._blocks.dedent()
        elif name in ("nf", "EX", "Vb"):
            self._blocks.begin_code()
            if name == "Vb" and not call.text.strip().isdecimal():
                self._text(" ".join(call.arguments))
        elif name in ("fi", "EE", "Ve"):
            self._fill()
        elif name in ("sp", "Sp"):
            if not call.text.strip().startswith("-"):
                self._blocks.blank()
        elif name in ("br", "ti", "ce"):
            self._blocks.line_break()
        elif name == "TH":
            arguments = [self._plain(argument) for argument in call.arguments]
            if len(arguments) > 1:
                self._blocks.heading(1, f"{arguments[0]}({arguments[1]})")
        elif name == "TS":
            self._table = []
        elif name in ("UR", "MT"):
            self._url = " ".join(call.arguments[:1])
        elif name in ("URL", "MTO"):
            url, *text = call.arguments or ("",)
            self._text("".join(text) if text and text[0] else "".join((url, *text)))
        elif name in ("UE", "ME"):
            self._text("".join((self._url, *call.arguments[:1])))
        elif name == "SY":
            self._blocks.line_break()
            self._text(" ".join(call.arguments))
        elif name == "YS":
            self._blocks.line_break()
        elif name == "OP":
            self._text(f"[{' '.join(call.arguments)}]")

    def _fill(self) -> None:
        self._blocks.end_code()

    def _item(self, arguments: Sequence[str]) -> None:
        """A bullet, a number, a term, or another paragraph of the current item."""
        self._next = None
        mark = arguments[0].strip() if arguments else ""
        if not mark:
            self._blocks.blank()
        elif mark in _BULLETS:
            self._blocks.item("ul")
        elif mark.rstrip(".)").lstrip("([").isdecimal() and len(mark) < 6:
            self._blocks.item("ol")
        else:
            self._blocks.item("dl", mark)

    def _in_table(self, call: Call) -> None:
        assert self._table is not None
        if call.name == "TE":
            self._blocks.table(table_rows(self._table, self._plain))
            self._table = None
        elif call.name == "T&":
            self._table.append(".T&")
        elif call.name in _FONTS:
            self._table.append(" ".join(call.arguments))
        elif call.name in _ALTERNATING:
            self._table.append("".join(call.arguments))
        elif not call.name:
            self._table.append(call.text)
