"""Formulas that are images: their source is the image's text."""

import re

from agents.passages.markup import attributes, plain

_CLASSES = frozenset("latex tex math mathtex formulainl formuladsp".split())
"""Those of WordPress, Stack Exchange, Sphinx, Moodle and Doxygen."""
_WIKIPEDIA = "mwe-math-fallback-image"
_RELEVANT = re.compile(r"latex|tex|math|formula", re.IGNORECASE)
_MARKS = re.compile(
    r"\{\\(?:displaystyle|textstyle) (.*)\}|(?:\$\$?|\\[(\[])(.*?)(?:\$\$?|\\[)\]])", re.DOTALL
)
"""What surrounds a formula's source: a style, or the delimiters of TeX."""


def formula_of(source: str) -> str:
    """The formula that an image shows, by the source of its attributes; empty where it is none."""
    if not _RELEVANT.search(source):
        return ""
    found = attributes(source)
    classes = found.get("class", "").lower().split()
    if not any(one in _CLASSES or one.startswith(_WIKIPEDIA) for one in classes):
        return ""
    text = plain(found.get("alt", "")).strip()
    marked = _MARKS.fullmatch(text)
    return (marked[1] or marked[2] or "").strip() if marked else text
