"""HTML as a sequence of tags with the text between them, in one pass from left to right.

Time and memory depend on the length of the page only: each pattern is bounded, or stops where the
next tag may begin.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

_TAG = re.compile(
    # A comment, also one that is never closed; a doctype or processing instruction.
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*(?:>|\Z)|"
    # A tag with quoted values, which may contain '>'; then a tag with an unpaired quote. The bounds
    # and the stop at '<' prevent a page of broken tags from being scanned once for each of them.
    r"<(/?)([a-zA-Z][^\s/<>]*+)"
    r"((?:[^<>\"']*+(?:(?:\"[^\"]*+\"|'[^']*+')[^<>\"']*+){0,100}+>|[^<>]*+>))",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"([^\s=>\"'/]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?", re.DOTALL
)
_HUGE_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
"""A character reference with more digits than Python makes a number of."""
_RAW = ("script", "style", "textarea", "title", "iframe", "xmp", "noembed", "noframes")
"""Elements whose content is not markup. It is left out."""
_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])[^>]*>", re.IGNORECASE) for name in _RAW}


class Tag(NamedTuple):
    """The text before a tag, and the tag. The last one of a page has no name."""

    text: str
    name: str
    """In lower case."""
    closes: bool
    attributes: str
    """Their source; read it with ``attributes``."""


def tags(html: str) -> Iterator[Tag]:
    """Every tag of a page, in order, and at the end one without a name that has the last text."""
    position = 0
    text = ""
    while tag := _TAG.search(html, position):
        text += html[position : tag.start()] if tag.start() > position else ""
        position = tag.end()
        if tag[2] is None:
            continue
        name, closes = tag[2].lower(), bool(tag[1])
        if name in _ENDS and not closes:
            text += " "
            end = _ENDS[name].search(html, position)
            position = end.end() if end else len(html)
            continue
        yield Tag(text, name, closes, tag[3])
        text = ""
    yield Tag(text + html[position:], "", False, "")


def attributes(source: str) -> dict[str, str]:
    """The attributes of a tag by name, in lower case; of two with a name, the first one."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(source):
        found.setdefault(name.lower(), double or single or bare)
    return found


def plain(text: str) -> str:
    """Text without character references and soft hyphens."""
    if "&" in text:
        text = unescape(_HUGE_REFERENCE.sub("\ufffd", text))
    return text.replace("\u00ad", "") if "\u00ad" in text else text
