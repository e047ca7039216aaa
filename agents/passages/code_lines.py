"""Code whose lines are elements, outside of ``<pre>``: told by the classes of highlighters."""

import re

from agents.passages.markup import attributes

_CLASSES = {
    "div": frozenset(("fragment", "syntaxhighlighter", "crayon-pre")),
    "table": frozenset(("code", "js-file-line-container")),
}
"""Those of Doxygen, SyntaxHighlighter and Crayon; of Trac, and of GitHub with its gists."""
_RELEVANT = re.compile("|".join(sorted(frozenset().union(*_CLASSES.values()))))


def has_lines_of_code(name: str, source: str) -> bool:
    """Whether an element has code, by its name and by the source of its attributes.

    Each block and each row in it is a line, and white space between those is markup.
    """
    if name not in _CLASSES or not _RELEVANT.search(source):
        return False
    return not _CLASSES[name].isdisjoint(attributes(source).get("class", "").split())
