"""From foreign bytes to text, the same way for files, web archives, human pairs and Kafka.

``decode`` makes text of bytes: a byte order mark, the protocol's label, the document's own
declaration and UTF-8 count in this order. ``decompressed`` opens compressed streams, ``read_rows``
reads JSON, and ``media_type_of`` folds the names of the types that are read.
"""

from schemas.text.compression import decompressed
from schemas.text.decoding import REPLACEMENT, clean, decode, is_blank
from schemas.text.media_types import TEXT_TYPES, ContentType, media_type_of
from schemas.text.names import name_of
from schemas.text.remarks import PassedOver, Warned
from schemas.text.rows import Row, read_rows
from schemas.text.utf16 import in_utf8

__all__ = [
    "REPLACEMENT",
    "TEXT_TYPES",
    "ContentType",
    "PassedOver",
    "Row",
    "Warned",
    "clean",
    "decode",
    "decompressed",
    "in_utf8",
    "is_blank",
    "media_type_of",
    "name_of",
    "read_rows",
]
