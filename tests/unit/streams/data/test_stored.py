"""Files of stores that fsspec reads: memory, the local file system, a web server, an archive."""

import bz2
import http.server
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow
import pytest
from pyarrow import parquet

from schemas.errors import SourceError
from schemas.records import Document
from schemas.text import PassedOver
from streams.data.sources import Choice, discover, read
from streams.data.sources.stored import StoredFile, stored_files, without_user


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def documents(*arguments: str, **options) -> list[Document]:
    found = []
    for one in discover(arguments):
        assert isinstance(one, StoredFile | Path), one
        for outcome in read(one, **options):
            assert isinstance(outcome, Document), outcome
            found.append(outcome)
    return found


def test_a_folder_is_read_as_one_of_the_disk_is(store):
    store.pipe(
        {
            "/b/two.md": b"# Two",
            "/b/one.txt": b"One",
            "/b/deep/er/rows.jsonl": b'{"text": "r1"}\n{"text": "r2", "source": "own"}\n',
            "/b/image.png": b"\x89PNG",
            "/b/.hidden/x.txt": b"hidden",
            "/other/x.txt": b"elsewhere",
        }
    )
    found = list(discover(["memory://b"]))
    assert [str(one) for one in found if isinstance(one, StoredFile)] == [
        "memory://b/deep/er/rows.jsonl",
        "memory://b/one.txt",
        "memory://b/two.md",
    ]
    assert {one.reason for one in found if isinstance(one, PassedOver)} == {
        ".png file",
        "hidden file",
    }
    read_ones = [outcome for one in found if isinstance(one, StoredFile) for outcome in read(one)]
    assert [(one.source, one.text) for one in read_ones if isinstance(one, Document)] == [
        ("memory://b/deep/er/rows.jsonl#1", "r1"),
        ("own", "r2"),
        ("memory://b/one.txt", "One"),
        ("memory://b/two.md", "# Two"),
    ]


def test_a_file_a_glob_and_a_choice(store):
    store.pipe({"/b/a.txt": b"A", "/b/c.txt": b"C", "/b/d.html": b"<p>D"})
    assert [one.text for one in documents("memory://b/a.txt")] == ["A"]
    assert [one.source for one in documents("memory://b/*.txt")] == [
        "memory://b/a.txt",
        "memory://b/c.txt",
    ]
    found = list(discover(["memory://b"], Choice(include=["*.html"])))
    assert [str(one) for one in found if isinstance(one, StoredFile)] == ["memory://b/d.html"]


def test_compressed_files_and_parquet(store):
    store.pipe("/b/x.txt.bz2", bz2.compress(b"from bzip2" * 99_000))
    with store.open("/b/t.parquet", "wb") as file:
        parquet.write_table(pyarrow.table({"text": ["p0", "p1"]}), file)
    one, two, three = documents("memory://b")
    assert (one.text, two.text) == ("p0", "p1")
    assert three.text == "from bzip2" * 99_000


def test_a_file_address_is_a_path(tmp_path):
    (tmp_path / "a b.txt").write_text("A text.")
    (tmp_path / "c.txt").write_text("Another.")
    assert list(discover([(tmp_path / "a b.txt").as_uri()])) == [tmp_path / "a b.txt"]
    assert list(discover([f"file://{tmp_path}"])) == list(discover([str(tmp_path)]))


def test_a_web_server(tmp_path, monkeypatch):
    (tmp_path / "rows.jsonl").write_text('{"text": "by http"}\n')
    (tmp_path / "page").write_text("<p>A page</p>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    monkeypatch.chdir(tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        [row] = documents(f"{base}/rows.jsonl")
        assert (row.text, row.source) == ("by http", f"{base}/rows.jsonl#1")
        [page] = documents(f"{base}/page", format="html")
        assert page.media_type == "text/html"
        [unnamed] = read(next(stored_files(f"{base}/page")))
        assert "--format" in str(unnamed)
        [gone] = read(next(stored_files(f"{base}/gone.txt")))
        assert isinstance(gone, SourceError)
        server.shutdown()


def test_a_web_server_that_is_away_is_said():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (error,) = read(next(stored_files(f"http://127.0.0.1:{port}/a.txt")))
    assert "or its server does not answer" in str(error)


def test_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/one.txt", "In a zip.")
    [one] = documents(f"zip://in::{tmp_path}/a.zip")
    assert one.text == "In a zip."


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://nothing/here", "there is nothing at this address"),
        ("memory://nothing/*.txt", "there is nothing at this address"),
        ("foo://bar", "nothing reads foo://"),
        ("zip://x::/no/such/file.zip", "there is nothing at this address"),
    ],
)
def test_what_cannot_be_listed_is_an_error_with_the_address(store, address, message):
    [error] = discover([address])
    assert isinstance(error, SourceError)
    assert str(error).startswith(f"{address}: ")
    assert message in str(error)


@pytest.mark.parametrize(
    ("address", "advice"), [("s3://b/k", "pip install s3fs"), ("gs://b/k", "gcsfs")]
)
def test_a_driver_that_is_not_installed_is_named(address, advice, monkeypatch):
    if address.partition(":")[0] in fsspec.registry:
        pytest.skip("another test has loaded the driver")
    for module in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, module, None)
    [error] = discover([address])
    assert isinstance(error, SourceError)
    assert advice in str(error)


def test_errors_of_a_store_s_library_are_errors_of_the_file(store, monkeypatch):
    store.pipe("/b/a.txt", b"A")
    [file] = discover(["memory://b/a.txt"])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the endpoint\nis away")

    monkeypatch.setattr(type(store), "open", fail)
    assert isinstance(file, StoredFile)
    [error] = read(file)
    assert str(error) == "memory://b/a.txt: cannot be read: the endpoint"


def test_passwords_are_not_part_of_names():
    assert without_user("sftp://ada:s3cret@host/x") == "sftp://host/x"
    [error] = discover(["foo://ada:s3cret@host/x"])
    assert "s3cret" not in str(error)
