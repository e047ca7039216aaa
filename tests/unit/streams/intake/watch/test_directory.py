"""Which files of a watched directory are read, and when."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import SourceUnavailable
from schemas.records import Document
from schemas.text import PassedOver
from streams.data.sources import EVERY_FILE, Columns
from streams.intake.watch.directory import Directory, is_being_written
from streams.intake.watch.fed import Fed
from streams.intake.watch.settling import Settling
from streams.intake.watch.source import Item


def old() -> tuple[float, float]:
    """Times of a file that was last changed half a minute ago."""
    return (time.time() - 30,) * 2


@pytest.fixture
def fed(tmp_path: Path) -> Iterator[Fed]:
    with Fed(tmp_path / "state", "", "inbox", "cluster") as made:
        yield made


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def directory(path: Path, settle_seconds: float = 2.0) -> Directory:
    return Directory(
        str(path),
        seconds=0.1,
        settle_seconds=settle_seconds,
        choice=EVERY_FILE,
        format=None,
        columns=Columns(),
    )


def put(file: Path, text: str = "A text.") -> Path:
    """A file that was last changed half a minute ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, old())
    return file


def look(watched: Directory, fed: Fed) -> list[str]:
    """Feed what a look finds; return the names."""
    found = []
    for item in watched.items(fed):
        if isinstance(item, Item) and item.unchanged():
            fed.complete(item.key, item.version)
            found.append(Path(item.key).name)
    watched.looked(fed)
    return found


def test_files_are_found_once_and_again_when_they_change(inbox, fed):
    watched = directory(inbox)
    assert look(watched, fed) == []
    put(inbox / "a.txt")
    put(inbox / "deep" / "er" / "b.md")
    assert look(watched, fed) == ["a.txt", "b.md"]
    assert look(watched, fed) == []
    put(inbox / "a.txt", "Another text.")
    assert look(watched, fed) == ["a.txt"]
    assert look(directory(inbox), fed) == []


def test_a_file_that_is_renamed_into_place_is_found(inbox, fed):
    watched = directory(inbox)
    put(inbox / "a.txt")
    assert look(watched, fed) == ["a.txt"]
    new = put(inbox / ".a.txt.tmp", "a text.")  # of the same size and time
    assert look(watched, fed) == []
    new.rename(inbox / "a.txt")
    assert look(watched, fed) == ["a.txt"]


def test_a_file_that_was_just_changed_is_waited_for(inbox, fed):
    watched = directory(inbox, settle_seconds=20)
    (inbox / "new.txt").write_text("half")
    assert look(watched, fed) == []
    assert watched.pending
    os.utime(inbox / "new.txt", old())
    assert look(watched, fed) == ["new.txt"]
    assert not watched.pending


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes")
def test_a_file_that_is_open_for_writing_is_waited_for(inbox, fed):
    watched = directory(inbox)
    file = put(inbox / "slow.txt", "half of a ")
    with file.open("a") as writer:
        if not is_being_written(file):
            pytest.skip("this file system does not tell who writes")
        assert look(watched, fed) == []
        assert watched.pending
        writer.write("text")
    assert not is_being_written(file)
    os.utime(file, old())
    assert look(watched, fed) == ["slow.txt"]


def test_a_file_that_changes_while_it_is_read_is_not_complete(inbox, fed):
    put(inbox / "a.txt", "One text.")
    [item] = directory(inbox).items(fed)
    assert isinstance(item, Item)
    assert [one.text for one in item.read() if isinstance(one, Document)] == ["One text."]
    put(inbox / "a.txt", "Two texts.")
    assert not item.unchanged()
    (inbox / "a.txt").unlink()
    assert not item.unchanged()


def test_nothing_outside_is_read(inbox, fed, tmp_path):
    put(tmp_path / "secret" / "s.txt")
    (inbox / "link.txt").symlink_to(tmp_path / "secret" / "s.txt")
    (inbox / "folder").symlink_to(tmp_path / "secret")
    (inbox / "gone.txt").symlink_to(inbox / "nothing.txt")
    put(inbox / "own" / "a.txt")
    (inbox / "within.txt").symlink_to(inbox / "own" / "a.txt")
    watched = directory(inbox)
    passed = [one for one in watched.items(fed) if isinstance(one, PassedOver)]
    assert [one.reason for one in passed] == ["link that leads out of the directory"]
    assert look(watched, fed) == ["within.txt", "a.txt"]


def test_what_is_no_file_is_passed_over(inbox, fed):
    os.mkfifo(inbox / "pipe.txt")
    put(inbox / "image.png")
    put(inbox / ".hidden.txt")
    reasons = {one.reason for one in directory(inbox).items(fed) if isinstance(one, PassedOver)}
    assert reasons == {"device or pipe", ".png file", "hidden file"}


def test_a_directory_that_is_away_is_unavailable(inbox, fed):
    watched = directory(inbox)
    inbox.rmdir()
    with pytest.raises(SourceUnavailable, match="no such file or directory"):
        list(watched.items(fed))
    inbox.mkdir()
    assert list(watched.items(fed)) == []


def test_names_that_are_not_utf_8(inbox, fed):
    put(Path(os.fsdecode(os.fsencode(inbox) + b"/caf\xe9.txt")))
    watched = directory(inbox)
    assert look(watched, fed) == ["caf\\xe9.txt"]
    assert look(watched, fed) == []


def test_settling_needs_no_clock_that_is_right():
    now, clock = [0.0], [1000.0]
    settling = Settling(2.0, now=lambda: clock[0], monotonic=lambda: now[0])
    assert not settling.settled("a", "v1", changed_at=5000.0)  # in the future
    now[0] = 1.9
    assert not settling.settled("a", "v1", 5000.0)
    now[0] = 2.0
    assert settling.settled("a", "v1", 5000.0)
    assert not settling.settled("a", "v2", None), "it has changed"
    assert settling.settled("b", "v1", 998.0), "by its own time"
    assert settling.pending
    settling.keep({"x"})
    assert not settling.pending


def test_the_state_directory_is_left_out(inbox, fed, tmp_path):
    put(tmp_path / "state" / "kafka" / "broker.json", "{}")
    put(inbox / "a.txt")
    watched = Directory(
        str(tmp_path),
        seconds=1,
        settle_seconds=0,
        choice=EVERY_FILE,
        format=None,
        columns=Columns(),
        without=tmp_path / "state",
    )
    passed = {one.where for one in watched.items(fed) if isinstance(one, PassedOver)}
    assert str(tmp_path / "state" / "kafka" / "broker.json") in passed
    assert look(watched, fed) == ["a.txt"]
