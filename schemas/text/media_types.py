"""Content types: their media type and charset, and the media types that are read."""

import re
from functools import lru_cache
from typing import NamedTuple

JSON = "application/json"
CONVERSATION = "application/vnd.backstream.conversation+json"
"""A conversation in JSON, as ``schemas.conversations`` reads it."""
TEXT_TYPES = ("text/plain", "text/markdown", "text/html", CONVERSATION)
"""The media types of documents."""
_OTHER_NAMES = {
    "application/xhtml+xml": "text/html",
    "application/vnd.wap.xhtml+xml": "text/html",
    "text/x-markdown": "text/markdown",
    "text/x-web-markdown": "text/markdown",
}
_TYPE = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)
_LISTED = re.compile(r'(?:"[^"]*"?|[^",])+')
"""What stands between commas that are not quoted."""


class ContentType(NamedTuple):
    """A parsed content type."""

    media_type: str
    """In lower case, without parameters; empty where there is none."""
    charset: str | None
    """The label of the charset as it is given."""

    @classmethod
    def of(cls, value: str) -> "ContentType":
        """Parse ``text/html; charset=utf-8``, in any case and with any parameters.

        Of a list, which a repeated header stands for, the last one that names a type counts, as
        Fetch's "extract a MIME type" has it. A charset of the same type before it stays.
        """
        return _parse(value)


@lru_cache(maxsize=256)
def _parse(value: str) -> ContentType:
    """Cached: the messages of a topic and the pages of an archive have few different ones."""
    found: ContentType | None = None
    for each in map(_parse_one, _LISTED.findall(value)):
        if _TYPE.fullmatch(each.media_type) and each.media_type != "*/*":
            again = found and found.media_type == each.media_type and each.charset is None
            found = found if again else each
    return found or _parse_one(value)


def _parse_one(value: str) -> ContentType:
    media_type, *parameters = value.split(";")
    charset = None
    for parameter in parameters:
        name, _, label = parameter.partition("=")
        if charset is None and name.strip().lower() == "charset":
            charset = label.strip().strip("\"'").strip() or None
    return ContentType(media_type.strip().lower(), charset)


def media_type_of(name: str) -> str | None:
    """The one of TEXT_TYPES that a content type names. None for a type that is not read."""
    media_type = ContentType.of(name).media_type
    media_type = _OTHER_NAMES.get(media_type, media_type)
    return media_type if media_type in TEXT_TYPES else None
