"""Encoding and decoding of records: msgpack by default, JSON on request, both with size limits.

A record that Backstream writes has the headers ``schema`` = ``segment/1`` (name and version) and
``content-type`` = ``application/msgpack``. The ``documents`` topic also takes plain text, HTML,
Markdown and JSON from any producer; the ``content-type`` header says which.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgpack
from pydantic import ValidationError

from schemas.conversations import NotAConversation, conversation_text, is_conversation
from schemas.errors import NotConverted, NotText, WireError
from schemas.formats import FORMAT_TYPES, Converted, convert, format_of_type
from schemas.ids import document_id
from schemas.record import Record
from schemas.records import Document
from schemas.text import REPLACEMENT, TEXT_TYPES, ContentType, clean, is_blank, media_type_of
from schemas.text import decode as decode_text
from schemas.text.decoding import Encoding
from schemas.text.media_types import CONVERSATION
from schemas.text.media_types import JSON as JSON
from schemas.text.names import readable
from schemas.text.xhtml import is_xhtml, with_end_tags

R = TypeVar("R", bound=Record)
Headers = Mapping[str, bytes]

MSGPACK = "application/msgpack"
CONTENT_TYPE = "content-type"
SCHEMA = "schema"
SOURCE = "source"

MAX_BYTES = 4 * 1024 * 1024
"""Largest value in bytes that is read or written. The topics allow a little more, for headers."""
MAX_ROW_BYTES = 6 * MAX_BYTES
"""Largest row of a JSON file in bytes: JSON may escape a character of one byte in six."""
_MAX_ITEMS = 100_000
"""Most items of a msgpack array or map."""
_LONGEST_CONTENT_TYPE = 1000


def headers_for(record: type[Record], content_type: str = MSGPACK) -> list[tuple[str, bytes]]:
    """The headers of a record's message."""
    return [
        (SCHEMA, f"{record.name}/{record.version}".encode()),
        (CONTENT_TYPE, content_type.encode()),
    ]


def encode(record: Record, content_type: str = MSGPACK) -> bytes:
    """Encode a record as msgpack or JSON. Raises WireError where it is larger than MAX_BYTES."""
    as_json = content_type == JSON
    data = (
        record.model_dump_json().encode()
        if as_json
        else msgpack.packb(record.model_dump(), use_bin_type=True)
    )
    if len(data) > MAX_BYTES:
        raise WireError(
            f"{record.name} of {len(data):,} bytes is over the limit of {MAX_BYTES:,}: split it"
        )
    return data


def decode(type_: type[R], data: bytes | None, headers: Headers) -> R:
    """Decode bytes as a record of ``type_``.

    Raises WireError for a null value, for bytes that are too large, truncated or malformed, and for
    the ``schema`` header of another record or version.
    """
    if data is None:
        raise WireError(f"null value where a {type_.name} was expected")
    _check_schema(type_, headers)
    content_type = _content_type(headers) or MSGPACK
    value = _unpack(data) if content_type == MSGPACK else _parse_json(data)
    return _validate(type_, value)


def names_schema(type_: type[Record], headers: Headers) -> bool:
    """Whether headers name this record and version, as those of every message of Backstream do."""
    return headers.get(SCHEMA) == _schema_of(type_)


def decode_document(
    data: bytes | None, headers: Headers, key: bytes | None = None, *, with_text: bool = True
) -> Document:
    """Decode bytes on ``documents`` as a Document, from any producer.

    Text becomes a document whose source is the ``source`` header, or else the key. JSON is an
    object with ``text`` and any other field of Document; an id in which something is no character
    counts as none. Without a ``content-type``, the value is a
    record where there is a ``schema`` header, and text otherwise. ``schemas.text.decode`` says in
    which charset text is read; the content type's is its label. The formats of ``schemas.formats``
    become HTML, unless ``with_text`` is False: the id, which needs only the bytes, then comes
    without the text. Raises WireError for anything else.
    """
    content_type, charset = _content_type_of(headers)
    if SCHEMA in headers and content_type in (None, MSGPACK):
        return _of_text_type(decode(Document, data, headers))
    if data is None:
        raise WireError("null value where a document was expected")
    if len(data) > MAX_BYTES:
        raise WireError(
            f"document of {len(data):,} bytes is over the limit of {MAX_BYTES:,}: split it"
        )
    source = readable(headers.get(SOURCE) or key or b"")
    if content_type == JSON:
        _check_schema(Document, headers)
        return _json_document(data, charset, source)
    if content_type == MSGPACK:
        return _of_text_type(_validate(Document, _unpack(data)))
    if format := format_of_type(content_type or ""):
        id = document_id(source, hashlib.sha256(data).hexdigest())
        converted = _convert(format, data, charset) if with_text else Converted([])
        return Document.model_construct(
            id=id,
            source=source,
            text=clean("\n".join(converted.blocks)),
            media_type="text/html",
            title=clean(converted.title or "") or None,
        )
    media_type = media_type_of(content_type or "text/plain")
    if media_type is None:
        raise WireError(
            f"content-type {content_type!r} is not one of "
            f"{', '.join((*TEXT_TYPES, JSON, MSGPACK, *FORMAT_TYPES))}"
        )
    text = _text(data, charset, media_type)
    if is_xhtml(content_type or ""):
        text = with_end_tags(text)
    if is_blank(text):
        raise WireError("the document is empty")
    return Document.model_construct(
        id=document_id(source, text), source=source, text=text, media_type=media_type
    )


def is_converted(headers: Headers) -> bool:
    """Whether a message on ``documents`` has one of the formats of ``schemas.formats``."""
    value = headers.get(CONTENT_TYPE, b"")
    return len(value) <= _LONGEST_CONTENT_TYPE and bool(
        format_of_type(value.decode("ascii", "replace"))
    )


def _convert(format: str, data: bytes, charset: str | None) -> Converted:
    _check_charset(charset)
    try:
        converted = convert(format, data, charset)
    except NotConverted as error:
        raise WireError(f"the document cannot be read: {error}") from error
    if is_blank("".join(converted.blocks)):
        raise WireError("the document is empty")
    return converted


def _json_document(data: bytes, charset: str | None, source: str) -> Document:
    without_mark = {"utf-16-le": "utf-16le", "utf-16-be": "utf-16be"}
    try:
        label = charset or without_mark.get(json.detect_encoding(data))
        value = json.loads(_text(data, label, JSON))
    except (ValueError, RecursionError) as error:
        raise WireError(f"not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise WireError(
            f"a JSON document must be an object with a text, not a {type(value).__name__}"
        )
    if "text" not in value and is_conversation(value):
        value = {**value, "text": _conversation(value), "media_type": CONVERSATION}
    value = {
        name: clean(field) if isinstance(field, str) else field
        for name, field in {"source": source, **value}.items()
    }
    text = value.get("text")
    if isinstance(text, str):
        if text and is_blank(text):
            raise WireError("the document is empty")
        if not value.get("id") or _is_mended(value["id"]):
            value["id"] = document_id(_source_of(value), text)
    return _of_text_type(_validate(Document, value))


def _conversation(value: Mapping[str, Any]) -> str:
    try:
        return conversation_text(value)
    except NotAConversation as error:
        raise WireError(f"not a conversation: {error}") from error


def _of_text_type(document: Document) -> Document:
    """A document with its media type as the segmenter knows it: ``TEXT/HTML; charset=utf-8``."""
    media_type = media_type_of(document.media_type)
    if media_type is None:
        raise WireError(
            f"media_type {document.media_type[:100]!r} is not one of {', '.join(TEXT_TYPES)}"
        )
    if media_type == document.media_type:
        return document
    changed = {"media_type": media_type}
    if is_xhtml(document.media_type):
        changed["text"] = with_end_tags(document.text)
    return document.model_copy(update=changed)


def _text(data: bytes, charset: str | None, media_type: str) -> str:
    _check_charset(charset)
    try:
        return decode_text(data, charset, media_type)
    except NotText as error:
        raise WireError(f"the document is {error}") from error


def _is_mended(id: object) -> bool:
    """Whether what is no character was replaced in an id, so that another id may be equal to it."""
    return isinstance(id, str) and REPLACEMENT in id


def _check_charset(charset: str | None) -> None:
    if charset is not None and Encoding.labelled(charset) is None:
        raise WireError(f"the document declares the charset {charset!r}, which is not of the web")


def _source_of(document: Mapping[str, Any]) -> str:
    """The source of a JSON document. One that is no text is refused where it is validated."""
    source = document["source"]
    return source if isinstance(source, str) else ""


def header_map(pairs: Iterable[tuple[str, bytes]] | Mapping[str, bytes] | None) -> dict[str, bytes]:
    """Kafka's header pairs as a mapping with lower-case names; of a repeated name, the last one."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs or ()
    return {name.lower(): value or b"" for name, value in items}


def _check_schema(type_: type[Record], headers: Headers) -> None:
    found = headers.get(SCHEMA)
    if found is None or found == _schema_of(type_):
        return
    raise WireError(
        f"schema {found[:100].decode(errors='replace')!r} where this version reads "
        f"{_schema_of(type_).decode()!r}"
    )


@lru_cache
def _schema_of(type_: type[Record]) -> bytes:
    return f"{type_.name}/{type_.version}".encode()


def _content_type(headers: Headers) -> str | None:
    return _content_type_of(headers)[0]


def _content_type_of(headers: Headers) -> tuple[str | None, str | None]:
    """Media type and charset of a message; None for what its headers do not name."""
    value = headers.get(CONTENT_TYPE)
    if not value:
        return None, None
    if len(value) > _LONGEST_CONTENT_TYPE:
        raise WireError(
            f"content-type of {len(value):,} bytes is over the limit of {_LONGEST_CONTENT_TYPE:,}"
        )
    return ContentType.of(value.decode("ascii", "replace"))


def _unpack(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise WireError(f"value of {len(data):,} bytes is over the limit of {MAX_BYTES:,}")
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=_MAX_ITEMS,
            max_map_len=_MAX_ITEMS,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise WireError(f"not readable as msgpack: {str(error) or type(error).__name__}") from error


def _parse_json(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise WireError(f"value of {len(data):,} bytes is over the limit of {MAX_BYTES:,}")
    try:
        text = data.decode(json.detect_encoding(data))
        value = json.loads(text)
        if "\\u" in text:
            _check_text(json.dumps(value, ensure_ascii=False))
        return value
    except (ValueError, RecursionError) as error:
        raise WireError(f"not readable as JSON: {error}") from error


def _validate(type_: type[R], value: Any) -> R:
    try:
        return type_.model_validate(value)
    except RecursionError as error:  # an enumeration quotes the value that it refuses
        raise WireError(f"not a valid {type_.name}: nested too deep") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "value"
        raise WireError(f"not a valid {type_.name}: {where}: {first['msg']}") from error


def _check_text(text: str) -> None:
    """Raise UnicodeEncodeError for half of a surrogate pair, which UTF-8 cannot hold.

    JSON's escapes and a few charsets can name one.
    """
    text.encode()
