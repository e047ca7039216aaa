"""Directives of Sphinx and its extensions by what becomes of their content, and texts of roles."""

import re

TITLED = re.compile(r"(.+?)\s*<[^<>]*>\s*", re.DOTALL)
"""The text of a role that has a title before its target."""
CODE = frozenset(
    "code-block sourcecode prompt testcode testoutput doctest ipython ipython3 productionlist"
    " highlight-block jupyter-execute code-cell console".split()
)
LEFT_OUT = frozenset(
    "toctree index highlight module currentmodule py:module py:currentmodule sectionauthor"
    " moduleauthor codeauthor tabularcolumns literalinclude graphviz digraph plot mermaid uml"
    " inheritance-diagram autosummary automodule autoclass autofunction automethod autoexception"
    " autodata autoattribute testsetup testcleanup bibliography cssclass todolist audit-event"
    " audit-event-table availability impl-detail-ref acks gallery minigallery youtube video"
    " availability-table miscnews raw include image".split()
)
VERSION_LABELS = {
    "versionadded": "New in version {}",
    "versionchanged": "Changed in version {}",
    "deprecated": "Deprecated since version {}",
    "deprecated-removed": "Deprecated since version {}",
    "versionremoved": "Removed in version {}",
    "availability": "Availability: {}",
}
"""What leads the text of these, with the version in it."""


def shortened(text: str) -> str:
    """The text of a role without a title as a reader sees it: ``~a.b.c`` is ``c``."""
    return text[1:].rpartition(".")[2] or text[1:] if text.startswith("~") else text
