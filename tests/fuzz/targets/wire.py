"""The wire: messages as records, and foreign documents."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from random import Random

from schemas.errors import WireError
from schemas.record import Record
from schemas.wire import JSON, MSGPACK, decode, decode_document, encode, header_map, headers_for
from tests.fuzz.messages import message, odd_headers, received, to_json, to_msgpack
from tests.fuzz.mutation import altered, damaged, text_of
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts

_RECORDS: Sequence[type[Record]] = tuple(VALUES)
_TOKENS = ("a", " ", "\n", "é", "# Restore\n", "<p>", "\0", "\ufeff", "\U0001f600", "{", '"')
_CHARSETS = (
    *(
        "utf-8",
        "latin1",
        "iso-8859-1",
        "utf-16",
        "utf-16le",
        "utf-7",
        "utf-32",
        "cp1252",
        "gb18030",
    ),
    *("shift_jis", "euc-kr", "big5", "iso-2022-jp", "punycode", "idna", "unicode_escape", "hex"),
    *("base64", "zlib", "rot13", "undefined", "mbcs", "raw_unicode_escape", "x-user-defined", ""),
    *("replacement", "hz-gb-2312", "UTF8", '"utf-8', "a\0b", "é", "../utf_8", "utf-8-sig"),
)


def check_encodes_again(record: Record) -> None:
    """What was read can be written, and reads as the same."""
    kind = type(record)
    for content_type in (MSGPACK, JSON):
        written = encode(record, content_type)
        again = decode(kind, written, dict(headers_for(kind, content_type)))
        # As bytes, because a NaN is not equal to itself.
        assert encode(again, content_type) == written, "encoded differently the second time"


class Records:
    """``decode`` and ``encode``, for every record."""

    share = 40

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        record = random.choice(_RECORDS)
        return (record.name.encode(), *message(random, record))

    def check(self, parts: Parts) -> None:
        kind = next(record for record in _RECORDS if record.name.encode() == parts[0])
        arrived = received(parts[1:])
        try:
            record = decode(kind, arrived.value, header_map(arrived.headers))
        except WireError:
            return
        check_encodes_again(record)


class Documents:
    """``decode_document``: records, JSON and texts in any charset, from any producer."""

    share = 30

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        value = VALUES[_RECORDS[0]](random)
        kind = random.choice(("text/plain", "text/html", "text/markdown", "json", "msgpack", None))
        if kind == "json" or kind == "msgpack":
            if random.random() < 0.7:
                value = altered(random, value)
            if isinstance(value, dict) and random.random() < 0.5:
                value.pop("id", None)
            data = to_json(value) if kind == "json" else to_msgpack(random, value)
            kind = f"application/{kind}"
        else:
            data = text_of(random, _TOKENS).encode()
        if random.random() < 0.4:
            data = damaged(random, data, [to_json(value)])
        headers: list[tuple[bytes, bytes | None]] = [(b"source", b"wiki/restore")]
        if kind:
            charset = random.choice(_CHARSETS) if random.random() < 0.5 else None
            suffix = f"; charset={charset}" if charset is not None else ""
            if charset and random.random() < 0.5:
                with contextlib.suppress(Exception):  # the charset cannot hold it, or is none
                    data = data.decode("utf-8", "ignore").encode(charset)
            headers.append((b"content-type", f"{kind}{suffix}".encode()))
        if random.random() < 0.1:
            headers.append((b"schema", random.choice((b"document/1", b"document/2", b""))))
        if random.random() < 0.2:
            headers = odd_headers(random, headers)
        key = random.choice((None, b"", b"handbook/backup.md", b"\xff"))
        return (key, data, *(part for pair in headers for part in pair))

    def check(self, parts: Parts) -> None:
        arrived = received(parts)
        try:
            document = decode_document(arrived.value, header_map(arrived.headers), arrived.key)
        except WireError:
            return
        assert document.id, "a document without an id"
        check_encodes_again(document)
