"""What ``feed`` reads: each format, and the error for each kind of bad input."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from fastwarc.stream_io import GzipWriter
from fastwarc.warc import WarcRecord, WarcRecordType
from pyarrow import parquet

from schemas.errors import SourceError
from schemas.ids import document_id
from schemas.records import Document
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
            "c.pdf",
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
        assert says in error_of(found)


class TestTexts:
    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("a.txt", "text/plain"),
            ("a.rst", "text/plain"),
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
            (b"caf\xe9", "not UTF-8 at byte 3"),
            ("text".encode("utf-16"), "UTF-16"),
            (b"x" * (MAX_BYTES + 1), f"{MAX_BYTES + 1:,} bytes is over the limit of {MAX_BYTES:,}"),
            (gzip.compress(b"x" * (MAX_BYTES + 1)), "more than"),
            (gzip.compress(bytes(range(1, 256)) * 40)[:-20], "cut short"),
            (gzip.compress(b"text")[:5] + b"junk" * 9, "damaged"),
        ],
        ids=["empty", "blank", "binary", "latin", "utf16", "large", "bomb", "truncated", "damaged"],
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
        [found] = read(file("a.txt", b"text"), format="pdf")
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
            (b'{"text": "\\ud800"}', "surrogate"),
            (b'{"text": "\xff"}', "not UTF-8"),
            (b'{"text": "a\x00"}', "binary"),
            (b"[" * 100_000, "not JSON"),
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
            "zero",
            "deep",
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
            (b'{"text": "a"}\n{"text": "b"}', "line 2; use the format jsonl"),
            (b"[" * 200_000, "deep"),
            ("[{}]".encode("utf-16"), "not UTF-8"),
            (b'"text"', "must be an object"),
            (b'[{"text": "one"}, {"text": ' + b"9" * 5000 + b"}]", "row 2 cannot be read"),
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
        assert "passage" in error_of(path)
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
    def test_a_charset_that_the_web_does_not_know_is_that_of_browsers(
        self, file: Files, charset: str
    ) -> None:
        body = "déjà ".encode("latin-1") * 50_000
        record = warc_record("http://a.example/", body, f"{PAGE}; charset={charset}")
        [found] = documents(file("a.warc", warc_bytes(record)))
        assert found.text == "déjà " * 50_000

    def test_other_answers_are_passed_over(self, file: Files) -> None:
        records = (
            warc_record(
                "http://a.example/", b"gone", "HTTP/1.1 404 Not Found\r\nContent-Type: text/html"
            ),
            warc_record(
                "http://a.example/", b"\x89PNG", "HTTP/1.1 200 OK\r\nContent-Type: image/png"
            ),
        )
        assert documents(file("a.warc", warc_bytes(*records))) == []

    def test_a_bad_record_is_named_and_the_next_goes_on(self, file: Files) -> None:
        records = (
            warc_record("http://a.example/", b"no gzip", PAGE + "\r\nContent-Encoding: gzip"),
            warc_record("http://b.example/", b"x" * (MAX_BYTES + 1)),
            warc_record("http://c.example/", b"y" * (2 * MAX_BYTES + 1)),
            warc_record("http://d.example/", b"  "),
            warc_record("http://e.example/", b"good"),
        )
        *errors, good = read(file("a.warc", warc_bytes(*records)))
        assert isinstance(good, Document)
        assert [
            "decoded" in str(e) or "limit" in str(e) or "no text" in str(e) for e in errors
        ] == [True] * 4
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
