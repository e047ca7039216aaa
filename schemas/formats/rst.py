"""reStructuredText by docutils, with the roles and directives that Sphinx adds.

Nothing is read from other files, and raw output is left out. Registers roles and directives with
docutils, whose registries belong to the process.
"""

import re
from typing import Any

from schemas.errors import NotConverted
from schemas.formats.converted import Converted, not_included, not_installed

_ROLE = re.compile(r":([A-Za-z][\w.+-]*(?::[\w.+-]+)*):`")
_DIRECTIVE = re.compile(
    r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([A-Za-z][\w.+:-]*?)[ \t]?::(?!\w)", re.MULTILINE
)
_INCLUDED = re.compile(r"^[ \t]*\.\.[ \t]+(?:literal)?include::", re.MULTILINE)
_SETTINGS = {
    "_disable_config": True,
    "doctitle_xform": False,
    "docinfo_xform": False,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": 5,
    "report_level": 5,
    "line_length_limit": 1_000_000,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "input_encoding": "unicode",
}


def read_rst(text: str) -> Converted:
    """A reStructuredText document. Raises NotConverted."""
    try:
        from docutils.core import publish_doctree
    except ImportError as error:
        raise not_installed(
            "reStructuredText (as plain text it is read with --format text)", "docutils"
        ) from error
    from schemas.formats import rst_sphinx, rst_tree

    rst_sphinx.register(set(_ROLE.findall(text)), set(_DIRECTIVE.findall(text)))
    try:
        tree: Any = publish_doctree(text, settings_overrides=_SETTINGS)
        converted = rst_tree.convert(tree)
    except RecursionError as error:
        raise NotConverted("reStructuredText that is nested too deep") from error
    except Exception as error:  # docutils has no base of its own for what it stumbles over
        reason = f"{type(error).__name__}: {error}"
        raise NotConverted(f"reStructuredText that docutils cannot read ({reason})") from error
    directives = len(_INCLUDED.findall(text))
    if directives:
        return converted._replace(warnings=(not_included(directives),))
    return converted
