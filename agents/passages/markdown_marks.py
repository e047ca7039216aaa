"""What templates and editors write into the lines of Markdown, and no page shows.

These are the shortcodes of Hugo, the tags of Liquid and Jinja (Jekyll, GitBook), the attribute
lists of kramdown, and comments: those of HTML, of MDX and of Obsidian.
"""

import re
from collections.abc import Sequence

_COMMENTS = {"<!--": "-->", "{/*": "*/}"}
"""The beginning and the end of a comment, which may be on a later line."""
_SIGNS = ("{{", "{%", "{:", "%%", "{/*", "<!--")
"""A line without any of these has no mark."""
_INSIDE = r"[^{\n]{1,300}?"
"""The inside of a mark. What is longer is taken for text."""
_CODE = r"(?<!`)(?P<ticks>`+)(?!`)[^\n]{1,1000}?(?<!`)(?P=ticks)(?!`)"
_MARK = re.compile(
    rf"(?P<space>(?<=\S) )?(?:{_CODE}"
    rf"|\{{\{{<(?!/\*){_INSIDE}>\}}\}}|\{{\{{%(?!/\*){_INSIDE}%\}}\}}|\{{%{_INSIDE}%\}}"
    r"|\{:\s?[.#][\w-][^{}\n]{0,300}\}|(?<![\w%])%%[^%\n]{1,300}%%(?![\w%]))"
)
_OPENING = re.compile(rf"{_CODE}|<!--|\{{/\*")
_SHOWN = re.compile(r"\btext=(?:\"([^\"]*)\"|'([^']*)')")
"""An argument of a shortcode that the page shows."""


class Marks:
    """Cuts the marks out of the lines of a text, from the first on. Code is left as it is."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._ends = {end: _last(lines, end) for end in _COMMENTS.values()}
        self._end = ""
        """What ends the comment that is open."""

    @property
    def in_comment(self) -> bool:
        """Whether the line that was cut last ended in a comment."""
        return bool(self._end)

    def cut(self, number: int, line: str) -> str:
        """What is shown of a line, with this number in the text."""
        if not self._end and not any(sign in line for sign in _SIGNS):
            return line
        shown = _MARK.sub(_shown, self._without_comments(number, line))
        return line if shown == line else shown.rstrip()

    def _without_comments(self, number: int, line: str) -> str:
        ends = {end: line.rfind(end) for end in self._ends}
        kept: list[str] = []
        at = 0
        while True:
            if self._end:
                if (found := line.find(self._end, at)) < 0:
                    return "".join(kept)
                at, self._end = found + len(self._end), ""
            opening = _OPENING.search(line, at)
            if opening is None:
                return "".join((*kept, line[at:]))
            end = _COMMENTS.get(opening[0])
            if end and (ends[end] >= opening.end() or number < self._ends[end]):
                kept.append(line[at : opening.start()])
                self._end = end
            else:
                kept.append(line[at : opening.end()])
            at = opening.end()


def _last(lines: Sequence[str], text: str) -> int:
    """The number of the last line that has a text; -1 where none has."""
    return max((number for number, line in enumerate(lines) if text in line), default=-1)


def _shown(mark: re.Match[str]) -> str:
    if mark["ticks"]:
        return mark[0]
    space = mark["space"] or ""
    text = _SHOWN.search(mark[0])
    if text is not None:
        return space + (text[1] or text[2] or "")
    return space if mark.string[mark.end() : mark.end() + 1].isalnum() else ""
