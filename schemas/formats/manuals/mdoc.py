"""The macros of mdoc(7), most of which may stand in the lines of others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.formats.manuals.blocks import Blocks
from schemas.formats.manuals.escapes import plain
from schemas.formats.manuals.requests import Call, Requests
from schemas.formats.manuals.tables import table_rows

_QUOTES = {
    "Dq": "“”", "Sq": "‘’", "Qq": '""', "Ql": "‘’", "Pq": "()", "Bq": "[]", "Brq": "{}",
    "Aq": "<>", "Op": "[]",
}  # fmt: skip
_OPEN = {
    "Do": "“", "So": "‘", "Qo": '"', "Po": "(", "Bo": "[", "Bro": "{", "Ao": "<", "Oo": "[",
    "Xo": "", "Eo": "",
}  # fmt: skip
_CLOSE = {
    "Dc": "”", "Sc": "’", "Qc": '"', "Pc": ")", "Bc": "]", "Brc": "}", "Ac": ">", "Oc": "]",
    "Xc": "", "Ec": "",
}  # fmt: skip
_PLAIN = frozenset(
    "Ad An Ar Cd Cm Dv Em Er Ev Fa Fd Ft Ic Li Lb Me Ms No Nm Pa Sx Sy St Tn Va Vt Mt Fl Xr Fn Lk"
    " In At Bx Bsx Fx Nx Ox Dx Ux Ap Ns Pf Bt Ud Sm Hf Dl D1 Rv Ex".split()
)
_SYSTEMS = {
    "At": "AT&T UNIX", "Bx": "BSD", "Bsx": "BSD/OS", "Fx": "FreeBSD", "Nx": "NetBSD",
    "Ox": "OpenBSD", "Dx": "DragonFly", "Ux": "UNIX",
}  # fmt: skip
_CALLABLE = _PLAIN | _QUOTES.keys() | _OPEN.keys() | _CLOSE.keys() | {"Ta", "Nd"}
_AFTER = frozenset(".,;:)]?!")
"""Punctuation that follows without white space."""
_BEFORE = frozenset("([")
_REFERENCE = frozenset(
    ("%A", "%B", "%C", "%D", "%I", "%J", "%N", "%O", "%P", "%Q", "%R", "%T", "%U", "%V")
)
OWN = (
    _CALLABLE
    | _REFERENCE
    | frozenset("Dd Dt Os Sh Ss Pp Lp Bl It El Bd Ed Bk Ek Rs Re Fo Fc TS TE nf fi".split())
)


@dataclass
class _Words:
    """The text of a line while its macros are called."""

    parts: list[str] = field(default_factory=list)
    glued: bool = True
    """Whether the next word follows without white space."""

    def add(self, word: str) -> None:
        """Add a word."""
        if not word:
            return
        self.parts.append(word if self.glued or word in _AFTER else f" {word}")
        self.glued = word in _BEFORE

    def open(self, mark: str) -> None:
        """Add an opening mark, which the next word follows at once."""
        self.add(mark)
        self.glued = bool(mark) or self.glued

    def close(self, mark: str) -> None:
        """Add a closing mark, which follows at once."""
        self.parts.append(mark)
        self.glued = False


class Mdoc:
    """Reads a page."""

    def __init__(self, blocks: Blocks, requests: Requests) -> None:
        self._blocks = blocks
        self._requests = requests
        self._name = ""
        """What the page is about, which ``.Nm`` repeats."""
        self._lists: list[str] = []
        """The element of each open list."""
        self._displays: list[bool] = []
        """Whether each open display keeps its lines."""
        self._function: list[str] | None = None
        """The function of ``.Fo`` and its arguments."""
        self._columns: list[list[str]] | None = None
        self._table: list[str] | None = None

    def read(self, lines: Sequence[str]) -> None:
        """Read a page."""
        for call in self._requests.calls(lines, OWN):
            if self._table is not None:
                self._in_table(call)
            elif call.name:
                self._macro(call)
            elif call.text.strip():
                self._text(self._plain(call.text), call.text.endswith("\\c"))
            else:
                self._blocks.blank()

    def _plain(self, text: str) -> str:
        return plain(text, self._requests.strings)

    def _text(self, text: str, glued: bool = False) -> None:
        if self._columns:
            row = self._columns[-1]
            row[-1] = f"{row[-1]} {text}".strip()
        else:
            self._blocks.text(text, glued)

    def _macro(self, call: Call) -> None:
        name, arguments = call.name, call.arguments
        if name in ("Sh", "Ss"):
            self._end_displays()
            self._blocks.heading(2 if name == "Sh" else 3, self._inline("No", arguments))
        elif name in ("Pp", "Lp"):
            self._blocks.blank()
        elif name == "Dt":
            words = [self._plain(word) for word in arguments]
            if len(words) > 1:
                self._blocks.heading(1, f"{words[0]}({words[1]})")
        elif name == "Bl":
            self._begin_list(arguments)
        elif name == "It":
            self._item(arguments)
        elif name == "El":
            self._end_list()
        elif name == "Bd":
            keeps = any(word in ("-literal", "-unfilled") for word in arguments)
            self._displays.append(keeps)
            if keeps:
                self._blocks.begin_code()
            else:
                self._blocks.blank()
        elif name == "Ed":
            if self._displays and self._displays.pop():
                self._blocks.end_code()
            else:
                self._blocks.blank()
        elif name in ("Dl", "D1"):
            self._blocks.begin_code()
            self._blocks.text(self._inline("No", arguments))
            self._blocks.end_code()
        elif name == "Nd":
            self._text(f"— {self._inline('No', arguments)}")
        elif name == "Fo":
            self._function = [self._plain(" ".join(arguments))]
        elif name == "Fc" and self._function:
            function, *given = self._function
            self._function = None
            self._text(f"{function}({', '.join(given)})")
        elif name == "Fa" and self._function:
            self._function += [self._plain(argument) for argument in arguments]
        elif name in _REFERENCE:
            self._text(f"{self._plain(' '.join(arguments))},")
        elif name == "TS":
            self._table = []
        elif name in ("sp", "Rs", "Re"):
            self._blocks.blank()
        elif name == "br":
            self._blocks.line_break()
        elif name == "nf":
            self._blocks.begin_code()
        elif name == "fi":
            self._blocks.end_code()
        elif name in _CALLABLE:
            if name in ("Cd", "Fd", "In", "Ft", "Fn") and not arguments[3:]:
                self._blocks.line_break()
            self._text(self._inline(name, arguments))

    def _begin_list(self, arguments: Sequence[str]) -> None:
        kind = next((word for word in arguments if word.startswith("-")), "")
        if kind == "-column":
            self._columns = []
            self._lists.append("table")
            return
        if self._lists:
            self._blocks.indent()
        else:
            self._blocks.blank()
        bulleted = kind in ("-bullet", "-dash", "-hyphen", "-item")
        self._lists.append("ul" if bulleted else "ol" if kind == "-enum" else "dl")

    def _item(self, arguments: Sequence[str]) -> None:
        kind = self._lists[-1] if self._lists else "dl"
        if kind == "table":
            assert self._columns is not None
            self._columns.append([""])
            self._text(self._inline("No", arguments))
        elif kind == "dl":
            self._blocks.item("dl", self._inline("No", arguments))
        else:
            self._blocks.item(kind)

    def _end_list(self) -> None:
        if not self._lists:
            return
        if self._lists.pop() == "table":
            rows, self._columns = self._columns or [], None
            self._blocks.table(rows)
        elif self._lists:
            self._blocks.dedent()
        else:
            self._blocks.paragraph()

    def _end_displays(self) -> None:
        if self._columns is not None:
            self._blocks.table(self._columns)
        self._lists, self._displays, self._columns = [], [], None

    def _inline(self, name: str, arguments: Sequence[str]) -> str:
        """The text of a macro with its arguments, some of which may be macros."""
        words = _Words()
        waiting: list[str] = []
        """Closing marks of macros that end with the line."""
        macro, own, at = name, 0, 0
        """The macro that is called, and the number of its arguments so far."""
        self._begin(macro, words, waiting)
        while at < len(arguments):
            word = arguments[at]
            at += 1
            if word in _CALLABLE:
                if not own:
                    self._without_arguments(macro, words)
                macro, own = word, 0
                self._begin(macro, words, waiting)
                continue
            text = self._plain(word)
            if word in _AFTER or word in _BEFORE:
                if not own and word in _AFTER:
                    self._without_arguments(macro, words)
                if at == len(arguments) and word in _AFTER:
                    while waiting:
                        words.close(waiting.pop())
                words.add(text)
                own += word in _AFTER
                continue
            if macro == "Xr":
                section = arguments[at] if at < len(arguments) else ""
                if section[:1].isdigit():
                    text, at = f"{text}({section})", at + 1
            elif macro in ("Fn", "Lk"):
                text, at = self._with_rest(macro, text, arguments, at)
            self._add(macro, text, own, words)
            own += 1
        if not own:
            self._without_arguments(macro, words)
        while waiting:
            words.close(waiting.pop())
        return "".join(words.parts)

    def _begin(self, macro: str, words: _Words, waiting: list[str]) -> None:
        if marks := _QUOTES.get(macro):
            words.open(marks[0])
            waiting.append(marks[1])
        elif macro in _OPEN:
            words.open(_OPEN[macro])
        elif macro in _CLOSE:
            words.close(_CLOSE[macro])
        elif macro == "Ns":
            words.glued = True
        elif macro == "Ap":
            words.close("'")
            words.glued = True
        elif macro == "Ta" and self._columns:
            row = self._columns[-1]
            row[-1] = f"{row[-1]} {''.join(words.parts)}".strip()
            words.parts.clear()
            words.glued = True
            row.append("")
        elif macro in _SYSTEMS:
            words.add(_SYSTEMS[macro])

    def _without_arguments(self, macro: str, words: _Words) -> None:
        """What a macro stands for that has no arguments."""
        if macro == "Nm":
            words.add(self._name)
        elif macro == "Ar":
            words.add("file ...")
        elif macro == "Fl":
            words.open("-")
        elif macro == "Pa":
            words.add("~")
        elif macro == "Ex":
            words.add(f"The {self._name} utility exits 0 on success, and >0 if an error occurs.")
        elif macro == "Rv":
            words.add("It returns 0 if successful; otherwise -1, and errno tells the error.")

    def _add(self, macro: str, text: str, own: int, words: _Words) -> None:
        if macro == "Fl":
            words.add(f"-{text}")
        elif macro == "Nm":
            self._name = self._name or text
            words.add(text)
        elif macro == "In":
            words.add(f"#include <{text}>")
        elif macro in ("Ex", "Rv", "Sm"):
            if own == 0 and macro != "Sm":
                self._without_arguments(macro, words)
        else:
            words.add(text)
            if macro == "Pf" and not own:
                words.glued = True

    def _with_rest(
        self, macro: str, text: str, arguments: Sequence[str], at: int
    ) -> tuple[str, int]:
        """A function with its arguments, or a link with its title."""
        rest = []
        while at < len(arguments) and arguments[at] not in _CALLABLE | _AFTER:
            rest.append(self._plain(arguments[at]))
            at += 1
        if macro == "Fn":
            return f"{text}({', '.join(rest)})", at
        return " ".join(rest) or text, at

    def _in_table(self, call: Call) -> None:
        assert self._table is not None
        if call.name == "TE":
            self._blocks.table(table_rows(self._table, self._plain))
            self._table = None
        elif not call.name:
            self._table.append(call.text)
        elif call.name in _CALLABLE:
            self._table.append(self._inline(call.name, call.arguments))
