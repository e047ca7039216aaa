"""What ``feed`` reads: each format, and the error for each kind of bad input."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import zstandard
from fastwarc.stream_io import GzipWriter
from fastwarc.warc import WarcRecord, WarcRecordType
from pyarrow import parquet

from schemas.errors import SourceError
from schemas.ids import document_id
from schemas.records import Document
from schemas.text import PassedOver, Warned
from schemas.wire import MAX_BYTES, encode
from streams.data.sources import Columns, Stdin, discover, read

Files = Callable[[str, bytes], Path]


@pytest.fixture
def file(tmp_path: Path) -> Files:
    """Writes a file of a given name and bytes."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write


def documents(where: Path | Stdin, **options: Any) -> list[Document]:
    found = list(read(where, **options))
    errors = [str(item) for item in found if isinstance(item, SourceError)]
    assert not errors
    return [item for item in found if isinstance(item, Document)]


def error_of(where: Path | Stdin, **options: Any) -> str:
    [item] = read(where, **options)
    assert isinstance(item, SourceError)
    assert str(where) in str(item)
    return str(item)


class TestDiscover:
    def test_a_directory_gives_its_known_files_in_order(self, file: Files, tmp_path: Path) -> None:
        for name in (
            "b.txt",
            "a/z.md",
            "a/y.jsonl.gz",
            "README",
            ".hidden.txt",
            ".git/c.txt",
            "c.png",
            "d.tar.gz",
        ):
            file(name, b"x")
        found = [
            path.relative_to(tmp_path).as_posix()
            for path in discover([str(tmp_path)])
            if isinstance(path, Path)
        ]
        assert found == ["README", "b.txt", "a/y.jsonl.gz", "a/z.md"]

    def test_globs_and_files_are_given_once(self, file: Files, tmp_path: Path) -> None:
        paths = [file("a.txt", b"x"), file("b/c.txt", b"x")]
        arguments = [str(tmp_path / "*.txt"), str(tmp_path / "**" / "*.txt"), str(paths[0])]
        assert list(discover(arguments)) == paths

    def test_a_name_with_a_star_in_it_is_a_file_first(self, file: Files) -> None:
        path = file("a[1].txt", b"x")
        assert list(discover([str(path)])) == [path]

    def test_a_dash_is_standard_input(self) -> None:
        [found] = discover(["-"])
        assert isinstance(found, Stdin)

    @pytest.mark.parametrize(
        ("name", "says"),
        [("missing.txt", "no such file"), ("*.md", "no such file"), (".", "a directory")],
    )
    def test_what_names_nothing_is_said_by_read(self, tmp_path: Path, name: str, says: str) -> None:
        [found] = discover([str(tmp_path / name)])
        assert isinstance(found, Path)
        assert says in error_of(found)


def test_what_a_directory_passes_over_is_named(file: Files, tmp_path: Path) -> None:
    for name in ("a.txt", "b.png", ".git/config", ".hidden"):
        file(name, b"text")
    found = [item for item in discover([str(tmp_path)]) if isinstance(item, PassedOver)]
    assert {Path(item.where).name: item.reason for item in found} == {
        "b.png": ".png file",
        ".git": "hidden directory",
        ".hidden": "hidden file",
    }


def test_names_that_are_not_utf_8(file: Files, tmp_path: Path) -> None:
    names = [os.fsdecode(b"\xe9.txt"), os.fsdecode(b"\xe9.jsonl"), os.fsdecode(b"\xe9.parquet")]
    file(names[0], b"words")
    file(names[1], b'{"text": "words"}')
    parquet.write_table(pyarrow.Table.from_pylist([{"text": "words"}]), file("x.parquet", b""))
    (tmp_path / "x.parquet").rename(tmp_path / names[2])
    for name in names:
        [found] = documents(tmp_path / name)
        assert found.text == "words"
        assert found.source.startswith(str(tmp_path / "\\xe9."))
        encode(found)
    assert r"\xe9.bin" in str(next(iter(read(tmp_path / os.fsdecode(b"\xe9.bin")))))


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": partial(bz2.compress, compresslevel=1),
    ".xz": partial(lzma.compress, preset=0),
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("extension", COMPRESSORS)
class TestCompression:
    def test_members_are_read_as_one_and_what_follows_is_left_out(
        self, file: Files, extension: str
    ) -> None:
        compress, data = COMPRESSORS[extension], b"".join(b"row %d\n" % i for i in range(20_000))
        members = b"".join(compress(data[i : i + 5000]) for i in range(0, len(data), 5000))
        for tail in (b"", bytes(5), b"garbage after", bytes(5) + b"x"):
            found = list(read(file(f"a.txt{extension}", members + tail)))
            assert isinstance(found[0], Document)
            assert found[0].text.encode() == data
            warned = [item.message for item in found[1:] if isinstance(item, Warned)]
            assert len(warned) == len(found) - 1 == bool(tail.strip(b"\0"))
            assert all("left out what follows" in message for message in warned)

    def test_damage_and_a_cut_are_said(self, file: Files, extension: str) -> None:
        data = COMPRESSORS[extension](random.Random(5).randbytes(20_000))
        changed = data[:5000] + b"\xff" * 40 + data[5040:]
        for damaged in (data[:-30], data[:12], *([changed] if extension != ".zst" else [])):
            assert "cut short or damaged" in error_of(file(f"a.txt{extension}", damaged))

    def test_other_formats_and_names(self, file: Files, extension: str) -> None:
        compress = COMPRESSORS[extension]
        assert documents(file("noext.txt", compress(b"text")))[0].text == "text"
        assert documents(file(f"a.txt{extension}", b"not compressed"))[0].text == "not compressed"
        assert documents(file(f"a.jsonl{extension}", compress(b'{"text": "a"}')))[0].text == "a"
        archive = warc_bytes(warc_record("http://a.example/", b"<p>page", PAGE))
        assert documents(file(f"a.warc{extension}", compress(archive)))[0].text == "<p>page"

    def test_a_small_file_of_much_is_read_in_little_memory(
        self, file: Files, extension: str
    ) -> None:
        path = file(f"a.txt{extension}", COMPRESSORS[extension](b"x" * 60_000_000))
        tracemalloc.start()
        assert "over the limit" in error_of(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 50_000_000


def framed(kind: int, data: bytes) -> bytes:
    """A frame of zstd without content that holds ``data``."""
    return bytes((kind, 0x2A, 0x4D, 0x18)) + len(data).to_bytes(4, "little") + data


class TestZstdWithDictionary:
    """https://iipc.github.io/warc-specifications/specifications/warc-zstd/"""

    @pytest.fixture
    def pages(self) -> list[bytes]:
        return [
            warc_bytes(warc_record(f"http://a.example/{i}", b"<p>page %d of many" % i, PAGE))
            for i in range(200)
        ]

    @pytest.fixture
    def dictionary(self, pages: list[bytes]) -> zstandard.ZstdCompressionDict:
        return zstandard.train_dictionary(4096, [*pages])

    @pytest.fixture
    def frames(self, pages: list[bytes], dictionary: zstandard.ZstdCompressionDict) -> bytes:
        compress = zstandard.ZstdCompressor(dict_data=dictionary).compress
        first, *more = map(compress, pages[:3])
        return first + framed(0x50, b"note") + b"".join(more)

    @pytest.mark.parametrize("pack", [bytes, zstandard.ZstdCompressor().compress])
    def test_an_archive_has_its_dictionary_in_the_first_frame(
        self,
        file: Files,
        pack: Callable[[bytes], bytes],
        dictionary: zstandard.ZstdCompressionDict,
        frames: bytes,
    ) -> None:
        path = file("a.warc.zst", framed(0x5D, pack(dictionary.as_bytes())) + frames)
        assert [found.text for found in documents(path)] == [
            f"<p>page {number} of many" for number in range(3)
        ]

    def test_a_damaged_dictionary_is_said(self, file: Files, frames: bytes) -> None:
        for bad in (
            framed(0x5D, b"\x28\xb5\x2f\xfdnot zstd") + frames,
            framed(0x5D, b"") + frames,
            framed(0x5D, bytes(100)) + frames,
            b"\x5d\x2a\x4d\x18\xff\xff\xff\xff",
            b"\x5d\x2a\x4d\x18",
        ):
            assert "fetch the file again" in error_of(file("a.warc.zst", bad))


class TestTexts:
    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("a.txt", "text/plain"),
            ("a", "text/plain"),
            ("a.MD", "text/markdown"),
            ("a.markdown", "text/markdown"),
            ("a.html", "text/html"),
            ("a.htm", "text/html"),
        ],
    )
    def test_a_file_is_a_document(self, file: Files, name: str, media_type: str) -> None:
        path = file(name, "\ufeffdéjà\n".encode())
        [found] = documents(path)
        assert found == Document(
            id=document_id(str(path), "déjà\n"),
            source=str(path),
            text="déjà\n",
            media_type=media_type,
        )

    @pytest.mark.parametrize(
        ("name", "data", "text"),
        [
            ("a.txt", b"caf\xe9 noir", "caf\ufffd noir"),
            ("a.txt", "é".encode() * 9 + b"\xe9\xa0 ", "é" * 9 + "\ufffd "),
            ("a.txt", b"x" * 2000 + b"\0y", "x" * 2000 + "\ufffdy"),
            ("a.md", b"\xef\xbb\xbf# Locks", "# Locks"),
            ("a.txt", "text".encode("utf-16"), "text"),
            ("a.txt", b"\xfe\xff" + "text".encode("utf-16-be"), "text"),
            ("a.html", b"\xff\xfe" + "<meta charset=big5>é".encode("utf-16-le"), None),
            ("a.html", "<meta charset=koi8-r>Ж".encode("koi8-r"), None),
            (
                "a.html",
                b'<meta http-equiv="Content-Type" content="text/html; charset=gb2312">'
                + "囍".encode("gb18030"),
                None,
            ),
        ],
    )
    def test_bytes_become_text_as_on_the_web(
        self, file: Files, name: str, data: bytes, text: str | None
    ) -> None:
        [found] = documents(file(name, data))
        assert found.text == text or (text is None and found.text[-1] in "éЖ囍")

    def test_gzip_is_opened(self, file: Files) -> None:
        [found] = documents(file("a.md.gz", gzip.compress(b"text")))
        assert (found.text, found.media_type) == ("text", "text/markdown")

    def test_standard_input(self) -> None:
        [found] = documents(Stdin(io.BytesIO(b"text")))
        assert (found.source, found.media_type) == ("stdin", "text/plain")
        assert (
            documents(Stdin(io.BytesIO(gzip.compress(b"text"))), format="html")[0].media_type
            == "text/html"
        )

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "empty"),
            (b" \n", "no text"),
            (b"\x7fELF\x00\x00", "binary"),
            ("déjà vu".encode("latin-1"), "at byte 1; convert it first, as with iconv"),
            ("text".encode("utf-16-le"), "iconv -f UTF-16LE"),
            ("text".encode("utf-32"), "iconv -f UTF-32"),
            (b"\xef\xbb\xbf\n%PDF-1.4\n", "a PDF file"),
            (b"{\\rtf1\\ansi Text}", "an RTF file"),
            (gzip.compress(gzip.compress(b"text", mtime=0), mtime=0), "decompress it first"),
            (b"x" * (MAX_BYTES + 1), f"{MAX_BYTES + 1:,} bytes is over the limit of {MAX_BYTES:,}"),
            (gzip.compress(b"x" * (MAX_BYTES + 1), mtime=0), "more than"),
            (gzip.compress(bytes(range(1, 256)) * 40, mtime=0)[:-20], "cut short"),
            (gzip.compress(b"text", mtime=0)[:5] + b"junk" * 9, "damaged"),
        ],
        ids=[
            *("empty", "blank", "binary", "latin", "utf16", "utf32", "pdf", "rtf", "twice"),
            *("large", "bomb", "truncated", "damaged"),
        ],
    )
    def test_bad_files(self, file: Files, data: bytes, says: str) -> None:
        assert says in error_of(file("a.txt", data))

    def test_the_largest_document_fits_on_the_wire(self, file: Files) -> None:
        [found] = documents(file("a.txt", b"x" * (MAX_BYTES - 1000)))
        assert len(encode(found)) <= MAX_BYTES

    def test_an_unknown_extension_asks_for_the_format(self, file: Files) -> None:
        path = file("a.log", b"text")
        assert "--format" in error_of(path)
        assert documents(path, format="text")[0].text == "text"

    def test_an_unknown_format_names_the_known(self, file: Files) -> None:
        [found] = read(file("a.txt", b"text"), format="odt")
        assert "jsonl" in str(found)


class TestJsonLines:
    def test_fields_and_their_other_names(self, file: Files) -> None:
        rows = [
            {
                "id": 1,
                "text": "one",
                "source": "s",
                "title": "t",
                "context": "c",
                "media_type": "text/markdown",
            },
            {"content": "two", "url": "u"},
            {"body": "three", "text": None},
        ]
        path = file("a.jsonl", "\n\n".join(map(json.dumps, rows)).encode())
        found = documents(path)
        assert found[0] == Document(
            id=document_id("s", "one"),
            source="s",
            text="one",
            title="t",
            context="c",
            media_type="text/markdown",
        )
        assert [(item.text, item.source) for item in found[1:]] == [
            ("two", "u"),
            ("three", f"{path}#5"),
        ]

    def test_columns_can_be_named(self, file: Files) -> None:
        path = file("a.ndjson", b'{"passage": "one", "text": "not this"}')
        assert documents(path, columns=Columns(text=("passage",)))[0].text == "one"

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            (b'{"text": "one"', "not JSON"),
            (b"[1]", "must be an object"),
            (b"{}", "no 'text' or 'content' or 'body'"),
            (b'{"text": 5}', "text is int"),
            (b'{"text": ""}', "no text"),
            (b'{"text": "a", "media_type": "image/png"}', "image/png"),
            (b'{"text": "\\ud800"}', "no text"),
            ('{"text": "déjà"}'.encode("latin-1"), "not UTF-8"),
            (b"[" * 100_000, "nested too deep"),
            (b'{"text": "a", "n": ' + b"9" * 5_000 + b"}", "more than 4,300 digits"),
            (json.dumps({"text": "x" * MAX_BYTES}).encode(), "over the limit"),
            (b"x" * (6 * MAX_BYTES + 10), "over the limit"),
        ],
        ids=[
            "cut",
            "list",
            "bare",
            "number",
            "empty",
            "media",
            "surrogate",
            "latin",
            "deep",
            "digits",
            "large",
            "endless",
        ],
    )
    def test_a_bad_line_is_named_and_the_next_goes_on(
        self, file: Files, line: bytes, says: str
    ) -> None:
        path = file("a.jsonl", b'{"text": "first"}\n' + line + b'\n{"text": "last"}\n')
        first, error, last = read(path)
        assert isinstance(error, SourceError)
        assert str(error).startswith(f"{path}#2: ")
        assert says in str(error)
        assert [item.text for item in (first, last) if isinstance(item, Document)] == [
            "first",
            "last",
        ]

    @pytest.mark.parametrize(
        "data",
        [
            b'[{"text": "one"},\n{"text": "two"}]\n',
            b'[{"text": "one"}, {"text": "two"}]',
            b'[\n  {"text": "one"},\n  {"text": "two"}\n]',
            b'{\n  "text": "one"\n}\n{\n  "text": "two"\n}\n',
            b'{"text": "one"}\n\n{"text": "two"}',
            b'\xef\xbb\xbf{"text": "one"}\r\n{"text": "\xef\xbb\xbftwo"}\r\n',
            '{"text": "one"}\n{"text": "two"}\n'.encode("utf-16"),
        ],
    )
    @pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
    def test_rows_in_any_layout(self, file: Files, name: str, data: bytes) -> None:
        path = file(name, data)
        found = documents(path)
        assert [item.text for item in found] == ["one", "two"]
        assert found[0].source == f"{path}#1"

    @pytest.mark.parametrize(
        "row",
        [
            {"page_content": "one"},
            {"raw_content": "one", "source": {"a": 1}, "title": ["x"]},
            {"text": "\ufeffone", "media_type": "text/plain; charset=utf-8"},
        ],
    )
    def test_rows_of_other_tools(self, file: Files, row: dict[str, Any]) -> None:
        path = file("a.jsonl", json.dumps(row).encode())
        assert [(item.text, item.source) for item in documents(path)] == [("one", f"{path}#1")]

    def test_what_is_no_character_is_replaced(self, file: Files) -> None:
        rows = (
            rb'{"text": "a \ud800"}',
            rb'{"text": "a \u0000"}',
            b'{"text": "a \0"}',
            b'{"text": "a \xe9"}',
        )
        found = documents(file("a.jsonl", b"\n".join(rows)))
        assert [item.text for item in found] == ["a \ufffd"] * 4

    def test_a_binary_file_is_one_error(self, file: Files) -> None:
        assert "binary" in error_of(file("a.jsonl", b"\x00\x01\n" * 1000))

    def test_an_empty_file(self, file: Files) -> None:
        assert "no line" in error_of(file("a.jsonl", b"\n\n"))

    def test_a_truncated_gzip_gives_what_it_holds(self, file: Files) -> None:
        data = b"".join(
            json.dumps({"text": f"row {i * 7919}"}).encode() + b"\n" for i in range(20_000)
        )
        *rows, error = read(file("a.jsonl.gz", gzip.compress(data)[:-2000]))
        assert isinstance(error, SourceError)
        assert len(rows) > 1000

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
    def test_memory_does_not_grow_with_the_file(self, file: Files, name: str) -> None:
        rows = [json.dumps({"text": "x" * 4000}).encode()] * 5000
        path = file(name, b"[" + b",\n".join(rows) + b"]" if name == "a.json" else b"\n".join(rows))
        tracemalloc.start()
        count = sum(isinstance(item, Document) for item in read(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 5000
        assert peak < 8_000_000  # bytes, of a file of 20 MB


class TestJson:
    def test_one_object_and_a_list(self, file: Files) -> None:
        one, many = (
            file("a.json", b'\n{"text": "one"}\n'),
            file("b.json", b'[{"text": "one"},\n {"text": "two"}]'),
        )
        assert [item.source for item in documents(one)] == [str(one)]
        assert [item.source for item in documents(many)] == [f"{many}#1", f"{many}#2"]

    def test_a_row_longer_than_a_read(self, file: Files) -> None:
        text = "déjà " * 200_000
        path = file(
            "a.json", json.dumps([{"text": text}, {"text": "end"}], ensure_ascii=False).encode()
        )
        assert [item.text for item in documents(path)] == [text, "end"]

    def test_a_bad_row_is_named_and_the_next_goes_on(self, file: Files) -> None:
        bad, good = read(file("a.json", b'[{"no": 1}, {"text": "two"}]'))
        assert isinstance(bad, SourceError)
        assert "#1" in str(bad)
        assert isinstance(good, Document)

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "empty"),
            (b"[]", "empty"),
            (b"[\n\n{'text': 1}]", "row 1, line 3"),
            (b"[" * 200_000, "deep"),
            (b"\x7fELF\0", "a program"),
            (b'"text"', "must be an object"),
            (b'[{"text": "one"}, {"text": ' + b"9" * 5000 + b"}]", "row 2: a whole number"),
        ],
    )
    def test_bad_files(self, file: Files, data: bytes, says: str) -> None:
        assert says in str(list(read(file("a.json", data)))[-1])

    def test_a_list_cut_short_gives_what_it_holds(self, file: Files) -> None:
        for tail in (b"", b",", b', {"te'):
            first, error = read(file("a.json", b'[{"text": "one"}' + tail))
            assert isinstance(first, Document)
            assert isinstance(error, SourceError)


class TestParquet:
    def write(self, path: Path, rows: list[dict[str, Any]]) -> Path:
        parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=100)
        return path

    def test_rows_are_documents(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path / "a.parquet",
            [{"text": f"row {i}", "n": i, "title": None} for i in range(250)],
        )
        found = documents(path)
        assert [item.text for item in found] == [f"row {i}" for i in range(250)]
        assert found[-1].source == f"{path}#249"

    def test_a_bad_row_is_named_and_the_next_goes_on(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path / "a.parquet", [{"text": "one"}, {"text": None}, {"text": "three"}]
        )
        assert [isinstance(item, Document) for item in read(path)] == [True, False, True]

    def test_a_missing_column_names_those_there_are(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.parquet", [{"passage": "one"}])
        assert "passage. Name the text's with --text-column" in error_of(path)
        assert documents(path, columns=Columns(text=("passage",)))[0].text == "one"

    @pytest.mark.parametrize("data", [b"", b"not parquet at all", b"PAR1" + b"\x00" * 100])
    def test_bad_files(self, file: Files, data: bytes) -> None:
        assert "Parquet" in error_of(file("a.parquet", data))

    def test_a_column_that_is_nested_too_deeply(self, tmp_path: Path) -> None:
        title: Any = "x"
        for _ in range(150):
            title = {"id": title}
        path = self.write(tmp_path / "a.parquet", [{"text": "one", "title": title}])
        assert "nested" in error_of(path)

    def test_a_truncated_file(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.parquet", [{"text": f"row {i}"} for i in range(1000)])
        path.write_bytes(path.read_bytes()[:-100])
        assert "Parquet" in error_of(path)

    def test_no_file_and_no_pipe(self, tmp_path: Path) -> None:
        assert "no such file" in error_of(tmp_path / "a.parquet")
        assert "path" in error_of(Stdin(io.BytesIO(b"PAR1")), format="parquet")


def warc_record(address: str, body: bytes, http: str | None = None) -> WarcRecord:
    record = WarcRecord()
    record.init_headers(WarcRecordType.response if http else WarcRecordType.conversion)
    record.headers["WARC-Target-URI"] = address
    record.headers["Content-Type"] = "application/http; msgtype=response" if http else "text/plain"
    record.set_bytes_content(http.encode() + b"\r\n\r\n" + body if http else body)
    return record


def warc_bytes(*records: WarcRecord, packed: bool = False) -> bytes:
    stream = io.BytesIO()
    writer = GzipWriter(stream) if packed else None
    for record in records:
        record.write(writer or stream)
    if writer:
        writer.close()
    return stream.getvalue()


PACKED = gzip.compress(b"<p>a</p>", mtime=0)
PAGE = "HTTP/1.1 200 OK\r\nContent-Type: text/html"


class TestWarc:
    @pytest.mark.parametrize("packed", [False, True])
    def test_pages_and_texts(self, file: Files, packed: bool) -> None:
        records = (
            warc_record("http://a.example/", b"<p>page</p>", PAGE),
            warc_record("http://b.example/", "déjà".encode()),
            warc_record(
                "http://c.example/", "déjà".encode("latin-1"), PAGE + "; charset=iso-8859-1"
            ),
            warc_record(
                "http://d.example/",
                gzip.compress(b"<p>packed</p>"),
                PAGE + "\r\nContent-Encoding: gzip",
            ),
        )
        found = documents(
            file("a.warc.gz" if packed else "a.wet", warc_bytes(*records, packed=packed))
        )
        assert [(item.source[7], item.text, item.media_type) for item in found] == [
            ("a", "<p>page</p>", "text/html"),
            ("b", "déjà", "text/plain"),
            ("c", "déjà", "text/html"),
            ("d", "<p>packed</p>", "text/html"),
        ]

    @pytest.mark.parametrize("charset", ["punycode", "idna", "hex", "utf-8\0", "klingon", "utf-7"])
    def test_a_charset_that_the_web_does_not_know_is_passed_over(
        self, file: Files, charset: str
    ) -> None:
        page = "<meta charset=windows-1252>" + "déjà " * 50_000
        record = warc_record(
            "http://a.example/", page.encode("cp1252"), f"{PAGE}; charset={charset}"
        )
        [found] = documents(file("a.warc", warc_bytes(record)))
        assert found.text == page

    def test_a_page_in_another_charset_is_never_guessed(self, file: Files) -> None:
        record = warc_record("http://a.example/", "déjà vu".encode("latin-1"), PAGE)
        assert "not UTF-8" in error_of(file("a.warc", warc_bytes(record)))

    def test_an_unknown_charset_that_a_page_declares_is_named(self, file: Files) -> None:
        page = "<meta charset=windows-9999><p>déjà vu".encode("latin-1")
        error = error_of(file("a.html", page))
        assert "not UTF-8, and its label 'windows-9999' is no charset that is read" in error

    def test_x_user_defined_in_a_page_is_windows_1252(self, file: Files) -> None:
        page = "<meta charset=X-User-Defined><p>déjà vu"
        [found] = documents(file("a.html", page.encode("cp1252")))
        assert found.text == page

    @pytest.mark.parametrize(
        ("body", "http", "text"),
        [
            ("Шлюз".encode("cp1251"), "; charset=windows-1251", "Шлюз"),
            ("<meta charset='x-sjis'>門".encode("cp932"), "", "<meta charset='x-sjis'>門"),
            ("\ufeff<p>é".encode(), "; charset=iso-8859-1", "<p>é"),
            (b"L\xe2\x80\x99\xc3\xa9cluse caf\xe9", "; charset=UTF-8", "L\u2019écluse caf\ufffd"),
            (b"<p>\x93a\x94", "; charset=iso-8859-1", "<p>\u201ca\u201d"),
            ("<p>é".encode("utf-16-le"), "; charset=utf-16", "<p>é"),
            (b"<p>a</p>", "\r\nTransfer-Encoding: chunked", "<p>a</p>"),
            (b"8\r\n<p>a</p>\r\n0\r\n\r\n", "\r\nTransfer-Encoding: chunked", "<p>a</p>"),
            (
                b'8;a\r\n<p>a</p>\r\n08 ; b="c"\r\n<p>d</p>\r\n0\r\nEtag: e\r\n\r\n',
                "\r\nTransfer-Encoding: Chunked",
                "<p>a</p><p>d</p>",
            ),
            (
                b"8\r\n<p>a</p>\r\n8;a\r\n<p>d</p>\r\n",
                "\r\nTransfer-Encoding: chunked",
                "<p>a</p><p>d</p>",
            ),
            (
                b"8\r\n<p>a</p>\r\n8;a\r\n<p>d",
                "\r\nTransfer-Encoding: chunked",
                "<p>a</p><p>d",
            ),
            (b"8\r\n<p>a</p>\r\n!\r\n<p>d", "\r\nTransfer-Encoding: chunked", "<p>a</p>"),
            (b"5\r\n<p>a</p>", "\r\nTransfer-Encoding: chunked", "5\r\n<p>a</p>"),
            (
                b"%x;a\r\n%s\r\n0\r\n\r\n" % (len(PACKED), PACKED),
                "\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                "<p>a</p>",
            ),
            (
                b"%x;a\r\n%s\r\n0\r\n\r\n" % (len(PACKED), PACKED),
                "\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip",
                "<p>a</p>",
            ),
            (b"<p>a</p>", "\r\nContent-Encoding: gzip", "<p>a</p>"),
            (b"<p>a</p>", "\r\nContent-Encoding: br", "<p>a</p>"),
            (gzip.compress(b"<p>a</p>", mtime=0), "\r\nContent-Encoding: x-gzip", "<p>a</p>"),
            (
                gzip.compress(b"<p>a</p>", mtime=0) + b"more",
                "\r\nContent-Encoding: gzip",
                "<p>a</p>",
            ),
            (zlib.compress(b"<p>a</p>"), "\r\nContent-Encoding: deflate", "<p>a</p>"),
            (zlib.compress(b"<p>a</p>", wbits=-15), "\r\nContent-Encoding: deflate", "<p>a</p>"),
            (
                gzip.compress(b"<p>a</p>", mtime=0),
                "\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip",
                "<p>a</p>",
            ),
        ],
    )
    def test_bodies_as_browsers_read_them(
        self, file: Files, body: bytes, http: str, text: str
    ) -> None:
        path = file("a.warc", warc_bytes(warc_record("<http://a.example/>", body, PAGE + http)))
        [found] = (item for item in read(path) if not isinstance(item, Warned))
        assert isinstance(found, Document)
        assert (found.text, found.source) == (text, "http://a.example/")

    @pytest.mark.parametrize(
        ("type_", "media_type"),
        [
            ("\r\nContent-Type: TEXT/HTML;CHARSET=UTF-8", "text/html"),
            ("\r\nContent-Type: application/xhtml+xml; charset=utf-8", "text/html"),
            ("\r\nContent-Type: text/plain", "text/plain"),
            ("", "text/html"),
            ("\r\nContent-Type: application/octet-stream", "text/html"),
            ("\r\nContent-Type: text/plain, text/html", "text/html"),
            (
                '\r\nContent-Type: text/html\r\nContent-Type: text/plain;a=",", */*, b',
                "text/plain",
            ),
        ],
    )
    def test_types_of_a_response(self, file: Files, type_: str, media_type: str) -> None:
        record = warc_record("http://a.example/", b"<!DOCTYPE html><p>a", "HTTP/1.1 200 OK" + type_)
        [found] = documents(file("a.warc", warc_bytes(record)))
        assert found.media_type == media_type

    def test_empty_elements_are_empty_in_xhtml_only(self, file: Files) -> None:
        page = b"<html><title/><textarea/><p>a"
        ended = "<html><title></title><textarea></textarea><p>a"
        assert [one.text for one in documents(file("a.xhtml", page))] == [ended]
        assert [one.text for one in documents(file("a.html", page))] == [page.decode()]
        for type_, text in (("application/xhtml+xml", ended), ("text/html", page.decode())):
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {type_}"
            record = warc_record("http://a.example/", page, head)
            [found] = documents(file("a.warc", warc_bytes(record)))
            assert (found.text, found.media_type) == (text, "text/html")

    def test_a_charset_of_the_same_type_before_it_stays(self, file: Files) -> None:
        head = PAGE + "; charset=KOI8-R\r\nContent-Type: text/html"
        [found] = documents(
            file("a.warc", warc_bytes(warc_record("http://a.example/", b"<p>\xc1", head)))
        )
        assert found.text == "<p>а"

    def test_a_body_cut_short_in_a_chunk_is_named(self, file: Files) -> None:
        record = warc_record(
            "http://a.example/", b"8\r\n<p>a", PAGE + "\r\nTransfer-Encoding: chunked"
        )
        [warned, found] = read(file("a.warc", warc_bytes(record)))
        assert isinstance(warned, Warned)
        assert "a.example/): its body is cut short" in warned.message
        assert isinstance(found, Document)
        assert found.text == "<p>a"

    def test_a_resource_is_read_by_its_own_type(self, file: Files) -> None:
        record = warc_record("http://a.example/", "<p>é".encode("cp1252"))
        record.headers["WARC-Type"] = "resource"
        record.headers["Content-Type"] = "text/html; charset=latin1"
        [found] = documents(file("a.warc", warc_bytes(record)))
        assert (found.text, found.media_type) == ("<p>é", "text/html")

    def test_other_answers_are_passed_over_by_name(self, file: Files) -> None:
        records = (
            warc_record(
                "http://a.example/", b"gone", "HTTP/1.1 404 Not Found\r\nContent-Type: text/html"
            ),
            warc_record(
                "http://a.example/", b"\x89PNG", "HTTP/1.1 200 OK\r\nContent-Type: image/png"
            ),
            warc_record("http://a.example/", b"\x89PNG", "HTTP/1.1 200 OK"),
        )
        found = list(read(file("a.warc", warc_bytes(*records))))
        assert [item.reason for item in found if isinstance(item, PassedOver)] == [
            "response with status 404",
            "response of type image/png",
            "response of type unknown",
        ]

    def test_a_bad_record_is_named_and_the_next_goes_on(self, file: Files) -> None:
        records = (
            warc_record("http://a.example/", b"%PDF-1.7\n", PAGE),
            warc_record("http://b.example/", b"x" * (MAX_BYTES + 1)),
            warc_record("http://c.example/", b"y" * (2 * MAX_BYTES + 1)),
            warc_record("http://d.example/", b"  "),
            warc_record("http://e.example/", b"good"),
        )
        *errors, good = read(file("a.warc", warc_bytes(*records)))
        assert isinstance(good, Document)
        assert ["PDF" in str(e) or "limit" in str(e) or "no text" in str(e) for e in errors] == [
            True
        ] * 4
        assert "#1 (http://a.example/)" in str(errors[0])

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_truncated_archive_gives_what_it_holds(self, file: Files, packed: bool) -> None:
        body = "".join(f"{i * 7919} " for i in range(20_000)).encode()
        data = warc_bytes(
            *(warc_record(f"http://{i}.example/", body) for i in range(3)), packed=packed
        )
        *rows, error = read(file("a.warc", data[: len(data) - 1000]))
        assert [isinstance(row, Document) for row in rows] == [True, True]
        assert "cut short" in str(error)

    @pytest.mark.parametrize(
        "data", [b"", b"not an archive\n" * 10, b"\x00" * 100, b"\x1f\x8bjunk"]
    )
    def test_bad_files(self, file: Files, data: bytes) -> None:
        assert "WARC" in error_of(file("a.warc", data))
