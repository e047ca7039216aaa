"""Encoding and decoding of records: msgpack by default, JSON on request, both with size limits.

A record that Backstream writes has the headers ``schema`` = ``segment/1`` (name and version) and
``content-type`` = ``application/msgpack``. The ``documents`` topic also takes plain text, HTML,
Markdown and JSON from any producer; the ``content-type`` header says which.
"""

import codecs
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgpack
import webencodings
from pydantic import ValidationError

from schemas.errors import WireError
from schemas.ids import document_id
from schemas.records import Document, Record

R = TypeVar("R", bound=Record)
Headers = Mapping[str, bytes]

MSGPACK = "application/msgpack"
JSON = "application/json"
CONTENT_TYPE = "content-type"
SCHEMA = "schema"
SOURCE = "source"

MAX_BYTES = 4 * 1024 * 1024
"""Largest value in bytes that is read or written. The topics allow a little more, for headers."""
_MAX_ITEMS = 100_000
"""Most items of a msgpack array or map."""
_LONGEST_CONTENT_TYPE = 1000
_NOT_FOR_TEXT = ("replacement", "x-user-defined")
"""Names of the web's encodings that Python does not have: browsers read no text with them."""
_CODECS = {"gbk": "gb18030"}
"""Encodings that the web decodes by another one, which reads more."""
TEXT_TYPES = ("text/plain", "text/markdown", "text/html")


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


def decode_document(data: bytes | None, headers: Headers, key: bytes | None = None) -> Document:
    """Decode bytes on ``documents`` as a Document, from any producer.

    Text becomes a document whose source is the ``source`` header, or else the key. JSON is an
    object with ``text`` and any other field of Document. Without a ``content-type``, the value is a
    record where there is a ``schema`` header, and text otherwise. Text is UTF-8 unless the content
    type names another ``charset`` of the web. Raises WireError for anything else.
    """
    content_type = _content_type(headers)
    if SCHEMA in headers and content_type in (None, MSGPACK):
        return decode(Document, data, headers)
    if data is None:
        raise WireError("null value where a document was expected")
    if len(data) > MAX_BYTES:
        raise WireError(
            f"document of {len(data):,} bytes is over the limit of {MAX_BYTES:,}: split it"
        )
    source = _text(headers.get(SOURCE) or key or b"", "source")
    if content_type == JSON:
        _check_schema(Document, headers)
        value = _parse_json(data)
        if not isinstance(value, dict):
            raise WireError(
                f"a JSON document must be an object with a text, not a {type(value).__name__}"
            )
        value = {"source": source, **value}
        if isinstance(value.get("text"), str) and not value.get("id"):
            value["id"] = document_id(_source_of(value), value["text"])
        return _validate(Document, value)
    if content_type == MSGPACK:
        return _validate(Document, _unpack(data))
    media_type = content_type or "text/plain"
    if media_type not in TEXT_TYPES:
        raise WireError(
            f"content-type {media_type!r} is not one of {', '.join((*TEXT_TYPES, JSON, MSGPACK))}"
        )
    text = _text(data, "document", _charset(headers))
    if not text.strip():
        raise WireError("the document is empty")
    return Document.model_construct(
        id=document_id(source, text), source=source, text=text, media_type=media_type
    )


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
    value = headers.get(CONTENT_TYPE)
    return _parsed_content_type(value)[0] if value else None


def _charset(headers: Headers) -> str:
    """The label of the charset that the content type names, or ``utf-8``."""
    value = headers.get(CONTENT_TYPE)
    return _parsed_content_type(value)[1] if value else "utf-8"


def _parsed_content_type(value: bytes) -> tuple[str, str]:
    if len(value) > _LONGEST_CONTENT_TYPE:
        raise WireError(
            f"content-type of {len(value):,} bytes is over the limit of {_LONGEST_CONTENT_TYPE:,}"
        )
    return _parse_content_type(value)


@lru_cache(maxsize=64)
def _parse_content_type(value: bytes) -> tuple[str, str]:
    """Media type and charset. Cached: a topic has very few different ones."""
    media_type, *parameters = value.decode("ascii", "replace").split(";")
    charset = "utf-8"
    for parameter in parameters:
        name, _, label = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = label.strip().strip("\"'") or charset
    return media_type.strip().lower(), charset


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


def _text(data: bytes, what: str, charset: str = "utf-8") -> str:
    """Decode text in one of the encodings of the web, by any of its labels.

    See https://encoding.spec.whatwg.org. Other codecs of Python are not accepted: some take
    quadratic time, and some do not read text.
    """
    found = _encoding_of(charset)
    if found is None:
        raise WireError(f"{what} declares the charset {charset!r}, which is not one of the web's")
    name, codec = found
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and codec.startswith("utf-16"):
        codec = "utf-16"  # in the byte order that the text begins with
    try:
        text = data.decode(codec)
        if name != "utf-8":
            _check_text(text)
        return text
    except UnicodeDecodeError as error:
        raise WireError(f"{what} is not {name.upper()} at byte {error.start:,}") from error
    except ValueError as error:
        raise WireError(
            f"{what} cannot be read in the charset {charset!r} that it declares: {error}"
        ) from error


@lru_cache(maxsize=64)
def _encoding_of(charset: str) -> tuple[str, str] | None:
    """Name and Python's codec of one of the web's encodings, by a label. None for another one."""
    encoding = webencodings.lookup(charset) if charset.isascii() else None
    if encoding is None or encoding.name in _NOT_FOR_TEXT:
        return None
    return encoding.name, _CODECS.get(encoding.name, encoding.codec_info.name)


def _check_text(text: str) -> None:
    """Raise UnicodeEncodeError for half of a surrogate pair, which UTF-8 cannot hold.

    JSON's escapes and a few charsets can name one.
    """
    text.encode()
