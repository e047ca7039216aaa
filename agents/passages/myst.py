"""What MyST adds to Markdown: the roles, directives and targets of Sphinx.

The syntax is that of https://myst-parser.readthedocs.io. Blocks such as ``{python}`` and ``{r}``,
which notebooks of Quarto and R have, are code, and so is every block whose name is not known here.
"""

import re
from collections.abc import Iterator, Sequence

from schemas.formats.sphinx_names import CODE, LEFT_OUT, TITLED, VERSION_LABELS, shortened

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,}|:{3,})[ \t]*(.*?)[ \t]*\Z")
_DIRECTIVE = re.compile(r"\{([a-z][\w:.+-]*)\}[ \t]*(.*)")
_OPTION = re.compile(r"[ \t]*:[\w-]+:(?:[ \t].*)?\Z")
_TARGET = re.compile(r"[ \t]*\([\w:.+ /-]{1,200}\)=[ \t]*\Z")
_NOTES = frozenset(
    "note warning tip important hint caution danger attention error seealso epigraph margin aside"
    " glossary".split()
)
"""Directives whose content begins on their own line."""
_TITLED = frozenset(
    "admonition dropdown card topic sidebar tab-set tab-item grid grid-item grid-item-card exercise"
    " solution".split()
)
"""Directives with a title there, which is left out as those of other containers are."""
_PICTURES = frozenset(("figure", "iframe", "eval-rst"))
_ROLE = re.compile(r"(?<![\w`\\$])\{([a-z][\w:.+-]{0,40})\}(`{1,2})(?!`)([^`\n]{1,300})\2(?!`)")
_PLAIN_ROLES = frozenset(
    "ref numref doc term abbr any download pypi issue pr gh user ghuser bpo cve cwe dfn sub sup"
    " guilabel menuselection external source".split()
)
"""Roles whose text is words."""
_CODE_ROLES = frozenset(
    "mod func class cls meth attr data const exc obj envvar option file command program kbd math"
    " code samp regexp token keyword literal".split()
)
"""Roles whose text is code. So are those of a domain, such as ``py:func``."""
_PREFIXES = {"pep": "PEP ", "rfc": "RFC "}
_DROPPED_ROLES = frozenset(("cite", "footcite", "eq", "index"))


def without_myst(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a Markdown text without roles, targets, and the marks of directives.

    The content of an admonition and the like is text. That of a table of contents or a picture is
    left out, and so are options. Code in fences is unchanged, but a directive for code becomes a
    plain fence with its language.
    """
    ends: list[str] = []
    """The fences of the directives whose content is text, the innermost last."""
    code = left_out = ""
    in_options = in_yaml = False
    for line in lines:
        fence = _FENCE.match(line)
        marks, info = (fence[1], fence[2]) if fence else ("", "")
        if in_options and line.strip() == "---":
            in_yaml = not in_yaml
            in_options = in_yaml
            continue
        if in_options and (in_yaml or _OPTION.match(line)):
            continue
        in_options = False
        if code or left_out:
            ended = not info and marks.startswith(code or left_out)
            if code:
                yield line
            if ended:
                code = left_out = ""
            continue
        if ends and marks.startswith(ends[-1]) and not info:
            ends.pop()
            yield ""
            continue
        directive = _DIRECTIVE.fullmatch(info) if marks else None
        if directive is None:
            if marks and marks[0] != ":":
                code = marks
                yield line
            else:
                yield "" if _TARGET.match(line) else _ROLE.sub(_said, line)
            continue
        name, argument = directive[1], directive[2]
        in_options, in_yaml = True, False
        if name in CODE:
            code = marks
            yield f"{line[: line.index(marks)]}{marks}{argument}"
        elif name in _NOTES or name in _TITLED or name in VERSION_LABELS:
            ends.append(marks)
            yield ""
            if first := _first_line(name, argument):
                yield _ROLE.sub(_said, first)
        elif name in LEFT_OUT or name in _PICTURES:
            left_out = marks
            yield ""
        elif marks[0] == ":":
            ends.append(marks)
            yield ""
        else:
            code, in_options = marks, False
            yield line


def _first_line(name: str, argument: str) -> str:
    """What a directive's own line says; empty for a title."""
    if name in _TITLED:
        return ""
    if name in VERSION_LABELS and argument:
        version, _, more = argument.partition(" ")
        return VERSION_LABELS[name].format(version) + (f": {more.strip()}" if more else ".")
    return argument


def _said(role: re.Match[str]) -> str:
    """What a reader sees of a role; the whole match where the role is not known."""
    name, marks, text = role[1], role[2], role[3]
    kind = name.partition(":")[0]
    if kind in _DROPPED_ROLES:
        return ""
    if kind in _PREFIXES:
        return _PREFIXES[kind] + text
    is_code = name in _CODE_ROLES or ":" in name
    if not is_code and name not in _PLAIN_ROLES:
        return role[0]
    if titled := TITLED.fullmatch(text.strip()):
        text = titled[1]
    elif is_code:
        text = shortened(text)
    return f"{marks}{text.lstrip('!')}{marks}" if is_code else text
