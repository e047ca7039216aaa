"""Files that ``feed`` reads, of every format, also compressed."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import ClassVar

import zstandard

from schemas.records import Document
from streams.data.sources import Outcome, read
from tests.fuzz.messages import to_json
from tests.fuzz.mutation import altered, damaged, odd_value, text_of
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts
from tests.fuzz.targets.wire import check_encodes_again

_DEEPEST = 200
"""Levels of a Parquet column. Arrow reads 100. A table of 1,000 takes it 4 GB to make."""
_TOKENS = ("a", " ", "\n", "\r\n", "é", "# Restore\n", "<p>", "\0", "\ufeff", "\U0001f600", "\x1a")


def _row(random: Random) -> dict[str, object]:
    value = VALUES[Document](random)
    text = value.pop("text")
    value[random.choice(("text", "content", "body"))] = text
    return altered(random, value) if random.random() < 0.6 else value


class _Files:
    """A file with the content of an input."""

    share = 7
    format: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self._file = directory / "input"

    def check(self, parts: Parts) -> None:
        self._file.write_bytes(parts[0] or b"")
        for found in read(self._file, format=self._format(parts)):
            assert isinstance(found, Outcome), f"yields {type(found).__name__}"
            if isinstance(found, Document):
                check_encodes_again(found)

    def _format(self, parts: Parts) -> str:
        return self.format


_COMPRESSORS: tuple[Callable[[bytes], bytes], ...] = (
    partial(gzip.compress, compresslevel=0, mtime=0),
    partial(gzip.compress, compresslevel=1, mtime=0),
    partial(bz2.compress, compresslevel=1),
    partial(lzma.compress, preset=0),
    zstandard.ZstdCompressor().compress,
)


def _compressed(random: Random, data: bytes) -> bytes:
    """Sometimes compressed, whole, damaged or in itself."""
    if random.random() < 0.2:
        data = random.choice(_COMPRESSORS)(data)
        if random.random() < 0.7:
            data = damaged(random, data, [data])
        if random.random() < 0.1:
            data = gzip.compress(data, mtime=0)
    return data


class JsonLines(_Files):
    """JSON lines."""

    format = "jsonl"

    def make(self, random: Random) -> Parts:
        data = b"".join(to_json(_row(random)) + b"\n" for _ in range(random.randrange(1, 4)))
        if random.random() < 0.5:
            data = damaged(random, data, [data])
        return (_compressed(random, data),)


class JsonFiles(_Files):
    """One JSON object, or a list of them."""

    format = "json"

    def make(self, random: Random) -> Parts:
        rows = [_row(random) for _ in range(random.randrange(4))]
        data = to_json(rows if random.random() < 0.7 else odd_value(random))
        if random.random() < 0.05:
            data = text_of(
                random, ("[", "{", '{"text":', "]", "1", ",", '"', "\\ud800", " ")
            ).encode()
        if random.random() < 0.5:
            data = damaged(random, data, [data])
        return (_compressed(random, data),)


class CsvFiles(_Files):
    """CSV, with any delimiter and quotation marks."""

    format = "csv"
    share = 3

    def make(self, random: Random) -> Parts:
        mark = random.choice(",;\t|")
        header = mark.join(random.sample(["text", "title", "source", "n", "", '"a b"'], 3))
        tokens = (mark, '"', '""', "\n", "\r\n", "words ", "é", "\0", "\r", " ")
        data = f"{header}\n{text_of(random, tokens)}".encode(
            random.choice(("utf-8",) * 4 + ("utf-16", "utf-8-sig", "cp1252")), "replace"
        )
        if random.random() < 0.3:
            data = damaged(random, data)
        return (_compressed(random, data),)


class ParquetFiles(_Files):
    """Parquet, with any type of column."""

    share = 2
    format = "parquet"

    def make(self, random: Random) -> Parts:
        import pyarrow
        from pyarrow.parquet import write_table

        count = random.randrange(5)
        rows = [row if isinstance(row := _row(random), dict) else {} for _ in range(count)]
        columns: dict[str, list[object]] = {"text": [_text(row.get("text")) for row in rows]}
        for name in ("source", "title", "context", "media_type", "url"):
            if random.random() < 0.4:
                columns[name] = [row.get(name) for row in rows]
        if random.random() < 0.2:
            columns["body"] = [odd_value(random) for _ in range(count)]
        file = io.BytesIO()
        codec = random.choice(("none", "snappy", "gzip", "zstd"))
        try:
            shallow = {
                name: values
                for name, values in columns.items()
                if max(map(_depth, values), default=0) <= _DEEPEST
            }
            write_table(pyarrow.table(shallow), file, compression=codec)
        except (pyarrow.ArrowException, ValueError, OverflowError, TypeError):
            plain = {
                "text": [text.encode("utf-8", "replace") for text in map(_text, columns["text"])]
            }
            write_table(pyarrow.table(plain), file, compression=codec)
        data = file.getvalue()
        return (damaged(random, data, [data]) if random.random() < 0.8 else data,)


def _depth(value: object) -> int:
    """How deep a value is nested, by the first item of each level."""
    depth = 0
    while isinstance(value, dict | list) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
        depth += 1
    return depth


def _text(value: object) -> str:
    return value if isinstance(value, str) else "a text"


_REQUEST = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=%s\r\n%s\r\n%s"


class Archives(_Files):
    """WARC and WET, of pages in any charset and coding."""

    format = "warc"

    def make(self, random: Random) -> Parts:
        data = b"".join(self._record(random) for _ in range(random.randrange(1, 4)))
        if random.random() < 0.6:
            data = damaged(random, data, [data])
        return (data,)

    def _record(self, random: Random) -> bytes:
        page = text_of(random, ("<p>", "Wörter ", "text ", "\n", "<h1>"))[:2000].encode()
        coding = b""
        if random.random() < 0.3:
            page, coding = gzip.compress(page, mtime=0), b"Content-Encoding: gzip\r\n"
        if random.random() < 0.3:
            page = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
            coding += b"Transfer-Encoding: chunked\r\n"
        if random.random() < 0.2:
            coding = (
                b"Content-Encoding: " + random.choice((b"br", b"deflate", b"zstd", b"x")) + b"\r\n"
            )
        if random.random() < 0.3:
            page = damaged(random, page)
        charset = random.choice(
            (
                b"utf-8",
                b"latin1",
                b"punycode",
                b"idna",
                b"utf-7",
                b"hex",
                b"x",
                b"undefined",
                b"a\0",
            )
        )
        kind, content, mime = (
            (b"response", _REQUEST % (charset, coding, page), b"application/http; msgtype=response")
            if random.random() < 0.7
            else (b"conversion", page, b"text/plain")
        )
        length = random.choice((len(content),) * 6 + (0, 10**6, 10**12, -1))
        record = (
            b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: http://a.example/%d\r\n"
            b"WARC-Record-ID: <urn:uuid:1>\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
            b"%s\r\n\r\n" % (kind, random.randrange(9), mime, length, content)
        )
        return gzip.compress(record, 1, mtime=0) if random.random() < 0.4 else record


class TextFiles(_Files):
    """Text, Markdown and HTML."""

    share = 7

    def make(self, random: Random) -> Parts:
        data = text_of(random, _TOKENS).encode(
            random.choice(("utf-8",) * 4 + ("utf-16", "utf-8-sig"))
        )
        if random.random() < 0.4:
            data = damaged(random, data)
        return (_compressed(random, data), random.choice((b"text", b"markdown", b"html")))

    def _format(self, parts: Parts) -> str:
        return (parts[1] or b"text").decode() if len(parts) > 1 else "text"
