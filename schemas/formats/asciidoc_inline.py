"""Inline markup of AsciiDoc as plain text."""

import re

_INTRINSIC = {
    "amp": "&", "lt": "<", "gt": ">", "nbsp": "\u00a0", "sp": " ", "empty": "", "blank": "",
    "plus": "+", "apos": "'", "quot": '"', "lsquo": "‘", "rsquo": "’", "ldquo": "“", "rdquo": "”",
    "asterisk": "*", "backtick": "`", "tilde": "~", "startsb": "[", "endsb": "]", "caret": "^",
    "vbar": "|", "deg": "°", "brvbar": "¦", "zwsp": "", "wj": "", "two-colons": "::", "litdd": "--",
    "two-semicolons": ";;", "cpp": "C++", "pp": "++", "backslash": "\\", "underscore": "_",
}  # fmt: skip
_ATTRIBUTE = re.compile(r"(?<!\\)\{([\w][\w-]*)\}")
_MACRO = re.compile(
    r"(?<![\w\\])(?P<macro>link|xref|mailto|image|icon|kbd|btn|menu|stem|latexmath|asciimath|pass"
    r"|footnote|footnoteref|indexterm2?|anchor|linkgit|[a-z]{2,20})"
    r":(?P<target>[^\s:\[\]][^\s\[\]]{0,1000}|)\[(?P<content>(?:[^\[\]\\]|\\.|\[[^\[\]]{0,500}\]){0,2000})\]"
)
_URL = re.compile(
    r"(?<![\w\\])(?:<(?P<bare>(?:https?|ftp)://[^\s<>\[\]]{1,2000})>"
    r"|(?:link:(?=[^\s\[\]]{1,2000}\[))?(?P<url>(?:https?|ftp|irc)://[^\s<>\[\]]{0,2000}[^\s<>\[\].,;:!?)'\"])"
    r"(?:\[(?P<content>[^\[\]]*)\])?)"
)
_REFERENCE = re.compile(r"<<([^<>,\n]+)(?:,([^<>]*))?>>")
_ANCHOR = re.compile(r"\[\[[^\[\]\n]*\]\]")
_INDEX = re.compile(r"\(\(\(.{0,500}?\)\)\)")
_TERM = re.compile(r"\(\(([^()]*)\)\)")
_ROLE = re.compile(r"\[[\w.#% -]{1,60}\](?=[*_`#])")
_PASSED = re.compile(
    r"\+\+\+(.{1,2000}?)\+\+\+|\$\$(.{1,2000}?)\$\$|pass:[a-z,]{0,20}\[(.{0,2000}?)\]", re.DOTALL
)
"""Text that is passed on as it is."""
_HELD = re.compile("\ue000(\\d{1,6})\ue001")
"""Stands for it."""
_DOUBLE = re.compile(r"(\*\*|__|``|##)(?=\S)(.{1,400}?)(?<=\S)\1", re.DOTALL)
_SINGLE = re.compile(r"(?<![\w\\*_`#+])([*_`#+])(?=\S)(.{1,400}?)(?<=\S)\1(?![\w])", re.DOTALL)
_SCRIPT = re.compile(r"(?<!\\)([\^~])(\S{1,60}?)\1")
_ESCAPED = re.compile(r"\\(?=[*_`#+{^~\[<(\\\"']|https?:|[a-z]+:)")
_FOOTNOTE = re.compile(r"footnote(?:ref)?:[\w-]{0,100}\[(?:[^\[\]]|\[[^\[\]]{0,500}\]){0,2000}\]")
_QUOTED = re.compile(r"``([^`']{1,500})\'\'")
_BREAK = re.compile(r"[ \t]\+$", re.MULTILINE)
_CALLOUT = re.compile(r"(?<=\s)<\d{1,2}>")
_MOST = 6
"""Marks within marks that are taken away."""


class Inline:
    """The attributes of a document, which its text may name."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}

    def plain(self, text: str) -> str:
        """A text without markup. A break of a line is a vertical tab."""
        passed: list[str] = []

        def hold(match: re.Match[str]) -> str:
            passed.append(match[1] or match[2] or match[3] or "")
            return f"\ue000{len(passed) - 1}\ue001"

        if "++" in text or "$$" in text or "pass:" in text:
            text = _PASSED.sub(hold, text)
        text = _without_marks(_QUOTED.sub(r"“\1”", _BREAK.sub("\v", text)))
        if "{" in text:
            text = self._with_attributes(text)
        if ":" in text:
            text = _FOOTNOTE.sub("", text)
            text = _MACRO.sub(_macro, _URL.sub(_link, text))
        if "<<" in text:
            text = _REFERENCE.sub(lambda match: (match[2] or _words(match[1])).strip(), text)
        if "[[" in text:
            text = _ANCHOR.sub("", text)
        if "((" in text:
            text = _TERM.sub(r"\1", _INDEX.sub("", text))
        text = _ESCAPED.sub("", text)
        return _HELD.sub(lambda match: passed[int(match[1])], text) if passed else text

    def _with_attributes(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            return self.attributes.get(name, _INTRINSIC.get(name.lower(), match[0]))[:1000]

        for _ in range(3):  # a value may name others
            replaced = _ATTRIBUTE.sub(value, text)
            if replaced == text or len(replaced) > 100_000:
                break
            text = replaced
        return text


def _without_marks(text: str) -> str:
    text = _ROLE.sub("", text)
    for _ in range(_MOST):
        without = _SINGLE.sub(r"\2", _DOUBLE.sub(r"\2", text))
        if without == text:
            break
        text = without
    return _CALLOUT.sub("", _SCRIPT.sub(r"\2", text))


def _link(match: re.Match[str]) -> str:
    return _text_of(match["content"]) or match["bare"] or match["url"]


def _macro(match: re.Match[str]) -> str:
    name, target, content = match["macro"], match["target"], match["content"].replace("\\]", "]")
    if name in ("image", "icon", "footnote", "footnoteref", "indexterm", "anchor"):
        return ""
    if name in ("kbd", "btn", "pass", "stem", "latexmath", "asciimath", "indexterm2"):
        return content
    if name == "menu":
        return " > ".join(part.strip() for part in (target, *content.split(">")) if part.strip())
    if name in ("link", "mailto", "xref"):
        return _text_of(content) or (_words(target) if name == "xref" else target)
    if content[:1].isdigit() and len(content) < 5:  # a manual page: linkgit:git-add[1]
        return f"{target}({content})"
    return match[0] if not target else content or target


def _text_of(content: str | None) -> str:
    """The text of a link, without attributes that follow it."""
    if not content:
        return ""
    content = content.strip().removesuffix("^")
    if content.startswith('"'):
        return content[1:].partition('"')[0]
    parts = content.split(",")
    while len(parts) > 1 and "=" in parts[-1]:
        parts.pop()
    return ",".join(parts) if "=" not in parts[0] else ""


def _words(id: str) -> str:
    """What an id says where a reference has no text: ``_the_gate`` is "the gate"."""
    file, _, part = id.rpartition("#")
    return " ".join((part or file).strip("_").replace("_", " ").split())
