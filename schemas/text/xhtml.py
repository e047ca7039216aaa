"""XHTML as HTML, in which an element without content has an end tag."""

import re

from schemas.text.media_types import ContentType

XHTML = "application/xhtml+xml"
_TYPES = (XHTML, "application/vnd.wap.xhtml+xml")
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
"""Elements that have no end tag in HTML."""
_EMPTY = re.compile(r"<([a-zA-Z][^\s/<>]*+)([^<>]*+)(?<=/)>")
"""An element without content. In HTML its slash is ignored, so it would hold what follows."""


def is_xhtml(content_type: str) -> bool:
    """Whether a content type is one of XHTML, which is XML. An XHTML page as text/html is HTML."""
    return ContentType.of(content_type).media_type in _TYPES


def with_end_tags(page: str) -> str:
    """A page whose empty elements have end tags."""
    return _EMPTY.sub(_with_end_tag, page)


def _with_end_tag(tag: re.Match[str]) -> str:
    name = tag[1]
    return tag[0] if name.lower() in VOID else f"<{name}{tag[2][:-1]}></{name}>"
