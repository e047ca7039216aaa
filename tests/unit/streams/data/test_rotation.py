"""An export that follows: files that appear one after another, and what a kill leaves."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from schemas.errors import BackstreamError, SettingsError
from schemas.records import Example, ExampleOrigin, Rating
from streams.data.changes import Change
from streams.data.exports import Shape
from streams.data.ledger import Ledger
from streams.data.rotation import RETRACTIONS, Follow, Rotation
from streams.data.selection import Selection

_NOON = 1_795_780_800_000
_DAY = 86_400_000


def example(id: str, score: float = 4.5) -> Example:
    rating = Rating(score=score, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
    return Example(
        id=id,
        instruction=f"Why {id}?",
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        rating=rating,
    )


def change(id: str, offset: int, score: float | None = 4.5, at: int = _NOON) -> Change:
    return Change(id, None if score is None else example(id, score), 0, offset, at)


@contextmanager
def rotation(output: Path, **options: Any) -> Iterator[Rotation]:
    given: dict[str, Any] = {"selection": Selection(), "rows": 3, "seconds": 10.0} | options
    with Rotation(Follow(output, Shape.TRIPLES, False, **given), "curated") as opened:
        yield opened


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def ids(folder: Path) -> list[str]:
    return [row["id"] for row in lines(folder)]


def test_a_file_is_complete_after_some_rows_or_some_seconds(tmp_path: Path) -> None:
    with rotation(tmp_path / "out.jsonl") as one:
        for offset, id in enumerate("abcd"):
            one.take(change(id, offset), now=float(offset))
        assert ids(tmp_path) == ["a", "b", "c"], "three rows are a file"
        one.tick(now=12.9)
        assert ids(tmp_path) == ["a", "b", "c"]
        one.tick(now=13.0)
        assert ids(tmp_path) == ["a", "b", "c", "d"], "ten seconds after its first row"
        one.tick(now=100.0)
        assert one.written == 4
    names = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert names == ["out-00000001.jsonl", "out-00000002.jsonl"]
    row = lines(tmp_path)[3]
    assert (row["at"], row["partition"], row["offset"]) == (_NOON / 1000, 0, 3)


def test_it_resumes_behind_what_was_written(tmp_path: Path) -> None:
    with rotation(tmp_path / "out.jsonl") as one:
        assert one.next() == {}
        for offset, id in enumerate("abcd"):
            one.take(change(id, offset), now=0.0)
    with rotation(tmp_path / "out.jsonl") as two:
        assert two.next() == {0: 3}, "d was in no file yet"
        two.take(change("d", 3), now=0.0)
        two.rotate()
    assert ids(tmp_path) == ["a", "b", "c", "d"]


def test_the_same_value_again_is_no_row_and_a_newer_one_is(tmp_path: Path) -> None:
    with rotation(tmp_path / "out.jsonl") as one:
        for offset, score in enumerate((4.5, 4.5, 4.8)):
            one.take(change("a", offset, score), now=0.0)
        one.rotate()
        one.take(change("a", 3, 4.8), now=0.0)
        one.rotate()
    assert [row["score"] for row in lines(tmp_path)] == [4.5, 4.8]


def test_retractions_are_rows_of_a_folder_of_their_own(tmp_path: Path) -> None:
    with rotation(tmp_path / "out.jsonl", selection=Selection(min_score=4.0)) as one:
        one.take(change("a", 0), now=0.0)
        one.take(change("b", 1, 3.0), now=0.0)  # never chosen, so nothing to retract
        one.take(change("b", 2, None), now=0.0)
        one.rotate()
        one.take(change("a", 3, 3.0), now=0.0)  # no longer chosen
        one.rotate()
        one.take(change("a", 4, None), now=0.0)
        one.take(change("a", 5, 4.5), now=0.0)  # chosen again
        one.rotate()
    assert ids(tmp_path) == ["a", "a"]
    assert lines(tmp_path / RETRACTIONS) == [
        {"id": "a", "at": _NOON / 1000, "partition": 0, "offset": 3}
    ]


def test_parquet_has_a_folder_for_each_day(tmp_path: Path) -> None:
    with rotation(tmp_path / "out.parquet", rows=10) as one:
        for offset, id in enumerate("abcd"):
            one.take(change(id, offset, at=_NOON + offset // 2 * _DAY), now=0.0)
        one.rotate()
        one.take(change("a", 4, None, at=_NOON + 2 * _DAY), now=0.0)
        one.rotate()
    days = ["day=2026-11-27", "day=2026-11-28"]
    assert [item.name for item in sorted(tmp_path.glob("day=*"))] == days
    table = pyarrow.dataset.dataset(tmp_path, partitioning="hive", format="parquet").to_table()
    assert sorted(
        zip(table["id"].to_pylist(), map(str, table["day"].to_pylist()), strict=True)
    ) == [
        ("a", "2026-11-27"),
        ("b", "2026-11-27"),
        ("c", "2026-11-28"),
        ("d", "2026-11-28"),
    ]
    retracted = list((tmp_path / RETRACTIONS).rglob("*.parquet"))
    assert [file.parent.name for file in retracted] == ["day=2026-11-29"]


def test_a_timestamp_beyond_the_calendar_is_of_its_nearest_day(tmp_path: Path) -> None:
    with rotation(tmp_path / "out.parquet", rows=10) as one:
        for offset, at in enumerate((253_402_300_800_000, 2**62, -1, -(2**62))):
            one.take(change(f"e{offset}", offset, at=at), now=0.0)
        one.rotate()
    table = pyarrow.dataset.dataset(tmp_path, partitioning="hive", format="parquet").to_table()
    days = dict(zip(table["id"].to_pylist(), map(str, table["day"].to_pylist()), strict=True))
    assert days == {"e0": "9999-12-31", "e1": "9999-12-31", "e2": "1969-12-31", "e3": "0001-01-01"}


def test_a_disk_that_is_full_at_the_start_is_told_and_the_next_start_goes_on(
    tmp_path: Path,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(BackstreamError, match=r"\.out\.export\.db cannot be written"):
            Ledger(tmp_path / ".out.export.db", {"shape": "chat"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    Ledger(tmp_path / ".out.export.db", {"shape": "chat"}).close()


class _Killed(BaseException):
    """A process that ends at a place."""


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("place", ["write", "written", "commit", "committed", "renamed"])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, suffix: str
) -> None:
    """At each step of the second rotation the process ends, and another one goes on."""
    output = tmp_path / f"odd [name] *{suffix}"
    every = [change(str(offset), offset) for offset in range(9)]

    def killed(*_: object) -> None:
        raise _Killed

    def after(function: Any) -> Any:
        def run(*arguments: Any) -> None:
            function(*arguments)
            raise _Killed

        return run

    with suppress(_Killed), rotation(output) as one:
        for each in every[:5]:
            one.take(each, now=0.0)
        with monkeypatch.context() as patch:
            if place == "write":
                patch.setattr(os, "fsync", killed)
                patch.setattr(Path, "unlink", killed)  # a killed process removes nothing
            elif place == "written":
                patch.setattr(Ledger, "commit", killed)
            elif place == "commit":
                patch.setattr(Ledger, "commit", after(Ledger.commit))
            elif place == "committed":
                patch.setattr(Path, "exists", killed)
            else:
                patch.setattr(Ledger, "renamed", killed)
            one.take(every[5], now=0.0)
    with rotation(output) as two:
        for each in every[two.next().get(0, 0) :]:
            two.take(each, now=0.0)
        two.rotate()
    if suffix == ".jsonl":
        found = ids(tmp_path)
    else:
        found = pyarrow.dataset.dataset(tmp_path, format="parquet").to_table()["id"].to_pylist()
    assert sorted(found) == [each.id for each in every]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_full_disk_is_an_error_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with rotation(tmp_path / "out.jsonl") as one:
        one.take(change("a", 0), now=0.0)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(BackstreamError, match="No space left"):
                one.rotate()
    assert not list(tmp_path.glob("out*"))
    assert not list(tmp_path.rglob("*.partial"))
    with rotation(tmp_path / "out.jsonl") as two:
        assert two.next() == {}


def test_one_process_owns_a_folder_and_its_options_stay(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    with rotation(output):
        with pytest.raises(SettingsError, match="another process exports to"):
            rotation(output).__enter__()
        with rotation(tmp_path / "other.jsonl"):
            pass
    with pytest.raises(SettingsError, match="another filters"):
        rotation(output, selection=Selection(min_score=4.0)).__enter__()
    with rotation(output, rows=100):
        pass
    with pytest.raises(SettingsError, match=r"another format \(\.jsonl, not \.parquet\)"):
        rotation(output.with_suffix(".parquet")).__enter__()


def _killed_before_the_name(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export whose process ends between the ledger's commit and the file's name."""

    def killed(*_: object) -> None:
        raise _Killed

    with suppress(_Killed), rotation(output) as one, monkeypatch.context() as patch:
        patch.setattr(Path, "exists", killed)
        for offset in range(3):
            one.take(change(str(offset), offset), now=0.0)


def test_another_export_whose_name_begins_the_same_leaves_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed_before_the_name(tmp_path / "out-small.jsonl", monkeypatch)
    for other in ("out.jsonl", "out-small-00000001.jsonl"):
        with rotation(tmp_path / other):
            pass
    with rotation(tmp_path / "out-small.jsonl"):
        pass
    assert ids(tmp_path) == ["0", "1", "2"]


def test_an_export_goes_on_from_another_directory_and_in_a_folder_that_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    _killed_before_the_name(Path("out/chat.jsonl"), monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("here/out").rename("moved")
    with rotation(Path("moved/chat.jsonl")):
        pass
    assert ids(tmp_path / "moved") == ["0", "1", "2"]
    assert not list(tmp_path.rglob("*.partial"))
