"""A bucket of S3, by s3fs, from a server on this machine."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import SourceError, SourceUnavailable
from schemas.records import Document
from schemas.text import PassedOver
from streams.data.sources import EVERY_FILE, Columns, discover, read
from streams.data.sources.stored import StoredFile
from streams.intake.watch.fed import Fed
from streams.intake.watch.source import Item
from streams.intake.watch.store import Store
from tests.s3_server import Bucket, bucket

s3fs = pytest.importorskip("s3fs", reason="the extra s3 is not installed")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        s3fs.S3FileSystem.clear_instance_cache()
        yield made
        # s3fs closes the connections of what is collected outside of an event loop only. Collected
        # during a later test, they would be warnings of that one.
        s3fs.S3FileSystem.clear_instance_cache()
        gc.collect()


def store() -> Store:
    return Store(
        "s3://b/in",
        seconds=60,
        settle_seconds=2,
        choice=EVERY_FILE,
        format=None,
        columns=Columns(),
    )


def test_a_bucket_is_read_as_a_directory_is(s3):
    s3.objects |= {
        "in/one.txt": b"One.",
        "in/deep/rows.jsonl": b'{"text": "r1"}\n{"text": "r2"}\n',
        "in/image.png": b"\x89PNG",
        "other/x.txt": b"elsewhere",
    }
    found = list(discover(["s3://b/in/"]))
    assert [one.where for one in found if isinstance(one, PassedOver)] == ["s3://b/in/image.png"]
    documents = [one for file in found if isinstance(file, StoredFile) for one in read(file)]
    assert [(one.source, one.text) for one in documents if isinstance(one, Document)] == [
        ("s3://b/in/deep/rows.jsonl#1", "r1"),
        ("s3://b/in/deep/rows.jsonl#2", "r2"),
        ("s3://b/in/one.txt", "One."),
    ]


def test_what_is_not_there(s3):
    for address in ("s3://b/none", "s3://missing/x"):
        [error] = discover([address])
        assert isinstance(error, SourceError)
        assert str(error).startswith(f"{address}: ")


def test_objects_are_fed_when_they_appear_and_when_they_change(s3, tmp_path: Path):
    watched = store()

    def look(fed: Fed) -> list[str]:
        found = []
        for item in watched.items(fed):
            assert isinstance(item, Item)
            found += [one.text for one in item.read() if isinstance(one, Document)]
            assert item.unchanged()
            fed.complete(item.key, item.version)
        return found

    with Fed(tmp_path, "", "bucket", "cluster") as fed:
        s3.objects["in/a.txt"] = b"A."
        assert look(fed) == ["A."]
        assert look(fed) == []
        s3.objects |= {"in/a.txt": b"B.", "in/c.txt": b"C."}  # of the same size and time
        assert look(fed) == ["B.", "C."]
        assert look(fed) == []
        s3.objects["in/d.txt"] = b"D."
        [item] = watched.items(fed)
        assert isinstance(item, Item)
        list(item.read())
        s3.objects["in/d.txt"] = b"E."
        assert not item.unchanged()


def test_a_bucket_that_is_away_is_unavailable(s3, tmp_path: Path):
    s3.objects["in/a.txt"] = b"A."
    with Fed(tmp_path, "", "bucket", "cluster") as fed:
        watched = store()
        [item] = watched.items(fed)
        assert isinstance(item, Item)
        s3.broken = True
        [error] = item.read()
        assert isinstance(error, SourceUnavailable)
        with pytest.raises(SourceUnavailable, match=r"s3://b/in"):
            list(watched.items(fed))
