"""Lines of roff as text and calls of macros: conditions, definitions, strings, comments."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_CONTROL = re.compile(r"[.'][ \t]*([^\s\\]*)[ \t]*(.*)", re.DOTALL)
_INDENTED = re.compile(r"^[.'][ \t]*")
_COMMENT = re.compile(r'(?<!\\)((?:\\\\)*)\\["#].*')
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s\\])+)')
_PARAMETER = re.compile(r"\\\$(?:([1-9])|\(..|([*@]))")
_COMPARED = re.compile(r"'([^']*)'([^']*)'|\"([^\"]*)\"([^\"]*)\"")
_EXPRESSION = re.compile(
    r"(?:\([^()]{0,200}\)|\\[wn](?:'[^']{0,200}'|\[[^\]]{0,100}\]|\(..|\S)|[^\s\\]){1,500}"
)
_IGNORED_BLOCKS = {"ig": "..", "EQ": ".EN", "PS": ".PE", "GS": ".GE"}
_MOST_EXPANDED = 100_000
"""Lines that the macros of a page may become."""
_DEEPEST = 8


class Call(NamedTuple):
    """A line of text, or a call of a macro."""

    name: str
    """The macro; empty for text."""
    text: str
    """The text, or the arguments as they stand."""

    @property
    def arguments(self) -> list[str]:
        """The arguments of a call, with their escape sequences."""
        return [
            quoted.replace('""', '"') if bare is None else bare
            for quoted, bare in (match.groups() for match in _ARGUMENT.finditer(self.text))
        ]


class Requests:
    """What a page has defined."""

    def __init__(self) -> None:
        self.strings: dict[str, str] = {}
        self._macros: dict[str, list[str]] = {}
        self._expanded = 0
        self._else: list[bool] = []
        """Whether the else branches of open conditions are read."""

    def calls(self, lines: Sequence[str], own: frozenset[str], depth: int = 0) -> Iterator[Call]:
        """The lines that are read. ``own``: macros that a page cannot define anew."""
        at = 0
        while at < len(lines):
            line, at = _whole(lines, at)
            control = _CONTROL.match(line)
            while control and control[1] in ("if", "ie", "el"):
                reads, body = self._decide(control[1], control[2])
                if not reads:
                    at = _skip(body, lines, at)
                    line = ""
                    break
                line = body.lstrip(" \t").removeprefix("\\{").lstrip(" \t")
                control = _CONTROL.match(line)
            else:
                if not control:
                    without = line.replace("\\}", "")
                    if without or line == without:
                        yield Call("", without)
                    continue
                name, rest = control[1], control[2].replace("\\}", "")
                if name in ("de", "de1", "am"):
                    at = self._define(name, rest, lines, at)
                elif name in _IGNORED_BLOCKS:
                    at = _end_of(lines, at, _IGNORED_BLOCKS[name])
                elif name in ("ds", "as"):
                    self._set(name, rest)
                elif name in self._macros and name not in own:
                    yield from self._expand(name, Call(name, rest).arguments, own, depth)
                elif name:
                    yield Call(name, rest)

    def _decide(self, name: str, rest: str) -> tuple[bool, str]:
        """Whether a condition holds, and what depends on it."""
        if name == "el":
            return (self._else.pop() if self._else else False), rest
        negated = rest.startswith("!")
        rest = rest[negated:].lstrip()
        if compared := _COMPARED.match(rest):
            one, two, three, four = compared.groups()
            holds, rest = (
                (one == two) if one is not None else (three == four),
                rest[compared.end() :],
            )
        elif rest[:1] in ("n", "t", "o", "e", "v") and not rest[1:2].isalnum():
            holds, rest = rest[0] in "to", rest[1:]
        else:
            # Of registers, pages ask whether groff reads them.
            found = _EXPRESSION.match(rest)
            expression = found[0] if found else ""
            if expression.startswith("\\{"):
                expression = ""
            holds = expression.strip("()").startswith(("\\n(.g", "\\n[.g", "1"))
            rest = rest[len(expression) :]
        holds ^= negated
        if name == "ie":
            self._else.append(not holds)
        return holds, rest

    def _define(self, name: str, rest: str, lines: Sequence[str], at: int) -> int:
        words = rest.split()
        end = f".{words[1]}" if len(words) > 1 else ".."
        last = _end_of(lines, at, end)
        if words:
            body = [line.replace("\\\\", "\\") for line in lines[at : last - 1]]
            known = self._macros.get(words[0], []) if name == "am" else []
            self._macros[words[0]] = known + body
        return last

    def _set(self, name: str, rest: str) -> None:
        key, _, value = rest.partition(" ")
        value = value.lstrip().removeprefix('"')
        if key:
            before = self.strings.get(key, "") if name == "as" else ""
            self.strings[key] = (before + value)[:10_000]

    def _expand(
        self, name: str, arguments: list[str], own: frozenset[str], depth: int
    ) -> Iterator[Call]:
        def parameter(match: re.Match[str]) -> str:
            if match[2]:
                return " ".join(arguments)
            number = int(match[1] or 0)
            return arguments[number - 1] if 0 < number <= len(arguments) else ""

        body = self._macros[name]
        self._expanded += len(body)
        if depth < _DEEPEST and self._expanded < _MOST_EXPANDED:
            yield from self.calls(
                [_PARAMETER.sub(parameter, line) for line in body], own, depth + 1
            )


def _whole(lines: Sequence[str], at: int) -> tuple[str, int]:
    """The line at a position with those that continue it, without comments, and what follows."""
    parts = []
    while at < len(lines):
        line = lines[at]
        at += 1
        if "\\" not in line:
            parts.append(line)
            break
        comment = _COMMENT.search(line)
        line = line[: comment.start()] + comment[1] if comment else line
        ends = len(line) - len(line.rstrip("\\"))
        if comment or ends % 2 == 0:
            if comment and not line and not parts:
                parts.append(".")  # a line with a comment alone is none
            else:
                parts.append(line)
            break
        parts.append(line[:-1])
    return "".join(parts), at


def _skip(body: str, lines: Sequence[str], at: int) -> int:
    """The position after what depends on a condition that does not hold."""
    open = body.count("\\{") - body.count("\\}")
    while open > 0 and at < len(lines):
        open += lines[at].count("\\{") - lines[at].count("\\}")
        at += 1
    return at


def _end_of(lines: Sequence[str], at: int, end: str) -> int:
    """The position after the line with which a block ends."""
    while at < len(lines):
        line = _INDENTED.sub(".", lines[at])
        at += 1
        if line.rstrip() == end or line.startswith((f"{end} ", f"{end}\t")):
            return at
    return at
