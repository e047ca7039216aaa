"""The curated set on disk: examples by id, always in step with the stored offsets."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import TrainingError
from schemas.records import Example, ExampleOrigin, Rating
from schemas.release import Release, ReleaseStatus
from schemas.wire import JSON, encode, headers_for
from streams.kafka.messages import Received
from streams.trainer.curated_set import CuratedSet


def _example(id: str, instruction: str = "Why?", score: float = 4.5) -> Example:
    rating = Rating(score=score, probabilities=(0, 0, 0, 0.5, 0.5), release="r", template="t")
    return Example(
        id=id,
        instruction=instruction,
        response="Because.",
        origin=ExampleOrigin.AUGMENTED,
        rating=rating,
    )


def _message(offset: int, id: str, instruction: str = "Why?", partition: int = 0) -> Received:
    example = _example(id, instruction)
    return Received(
        "curated", partition, offset, id.encode(), encode(example), headers_for(Example)
    )


def _tombstone(offset: int, key: bytes | None) -> Received:
    return Received("curated", 0, offset, key, None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "dataset.sqlite"


@pytest.fixture
def curated(file: Path) -> Iterator[CuratedSet]:
    with CuratedSet(file) as opened:
        yield opened


def _ids(curated: CuratedSet) -> list[str]:
    return [example.id for example in curated.examples()]


def test_a_new_set_is_empty(curated: CuratedSet) -> None:
    assert (
        len(curated),
        curated.offsets(),
        curated.newest_arrival(),
        curated.arrivals_since_training(),
    ) == (0, {}, 0, 0)
    assert curated.last_training() is None
    assert curated.apply([]) == 0


def test_examples_come_back_whole_in_the_order_of_arrival(curated: CuratedSet) -> None:
    assert curated.apply([_message(0, "b"), _message(4, "a"), _message(7, "c", partition=2)]) == 3
    assert list(curated.examples()) == [_example("b"), _example("a"), _example("c")]
    assert curated.offsets() == {0: 5, 2: 8}


def test_a_json_example_of_another_producer_counts_too(curated: CuratedSet) -> None:
    data = encode(_example("a"), JSON)
    assert curated.apply([Received("curated", 0, 0, b"a", data, headers_for(Example, JSON))]) == 1
    assert list(curated.examples()) == [_example("a")]


def test_an_upsert_replaces_and_keeps_its_place(curated: CuratedSet) -> None:
    curated.apply([_message(0, "a"), _message(1, "b")])
    curated.record_run(_release("r-1"), curated.newest_arrival(), 10.0)
    assert curated.apply([_message(2, "a", "Why not?")]) == 1
    assert list(curated.examples()) == [_example("a", "Why not?"), _example("b")]
    assert len(curated) == 2
    assert curated.arrivals_since_training() == 0, "a new rating is not a new example"


def test_a_tombstone_retracts(curated: CuratedSet) -> None:
    curated.apply([_message(0, "a"), _message(1, "b")])
    assert curated.apply([_tombstone(2, b"a")]) == 1
    assert _ids(curated) == ["b"]
    assert curated.apply([_tombstone(3, b"a"), _tombstone(4, None), _tombstone(5, b"\xff")]) == 0
    assert curated.offsets() == {0: 6}
    curated.apply([_message(6, "a")])
    assert _ids(curated) == ["b", "a"], "met again, it is new"


def test_foreign_messages_are_passed_over(curated: CuratedSet) -> None:
    rating = (
        b'{"id": "n", "instruction": "i", "response": "r", "origin": "seed", '
        b'"rating": {"score": NaN}}'
    )
    foreign = [
        Received("curated", 0, 0, b"a", b"hello"),
        Received("curated", 0, 1, b"a", b""),
        Received("curated", 0, 2, b"a", encode(_example("a")), [("schema", b"example/2")]),
        Received("curated", 0, 3, b"a", encode(_example("a")), [("schema", b"segment/1")]),
        Received("curated", 0, 4, b"n", rating, headers_for(Example, JSON)),
    ]
    assert curated.apply([*foreign, _message(5, "b")]) == 1
    assert _ids(curated) == ["b"]
    assert curated.offsets() == {0: 6}


def test_an_error_inside_keeps_nothing_of_the_batch(curated: CuratedSet) -> None:
    curated.apply([_message(0, "a")])

    def broken() -> Iterator[Received]:
        yield _message(1, "b")
        yield _tombstone(2, b"a")
        raise ConnectionError("the broker went away")

    with pytest.raises(ConnectionError):
        curated.apply(broken())
    assert _ids(curated) == ["a"]
    assert curated.offsets() == {0: 1}
    assert curated.apply([_message(1, "b")]) == 1, "and the next batch goes in"
    assert curated.offsets() == {0: 2}


def test_a_database_that_cannot_be_written_is_an_error(curated: CuratedSet, file: Path) -> None:
    curated.apply([_message(0, "a")])
    with sqlite3.connect(file) as other:
        other.execute("ALTER TABLE offsets RENAME TO elsewhere")
    other.close()
    with pytest.raises(TrainingError, match=r"cannot be written .* nothing of this batch was kept"):
        curated.apply([_message(1, "b")])
    assert _ids(curated) == ["a"]


def test_reopened_it_goes_on(file: Path) -> None:
    with CuratedSet(file) as curated:
        curated.apply([_message(0, "a"), _message(1, "b")])
        curated.record_run(_release("r-1"), curated.newest_arrival(), 10.0)
        curated.apply([_message(2, "c")])
    with CuratedSet(file) as curated:
        assert _ids(curated) == ["a", "b", "c"]
        assert (curated.offsets(), curated.arrivals_since_training(), curated.last_training()) == (
            {0: 3},
            1,
            10.0,
        )


def test_a_process_that_dies_in_a_batch_leaves_the_last_one(file: Path) -> None:
    with CuratedSet(file) as curated:
        curated.apply([_message(0, "a")])
    program = (
        "import os, sys; from pathlib import Path; from streams.trainer.curated_set import "
        "CuratedSet; "
        "from tests.unit.streams.trainer.test_curated_set import _message\n"
        "def dying():\n    yield _message(1, 'b')\n    yield _message(2, 'a', 'Changed?')\n  "
        "  os._exit(9)\n"
        "CuratedSet(Path(sys.argv[1])).apply(dying())"
    )
    root = str(Path(__file__).parents[4])
    died = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert died.returncode == 9
    with CuratedSet(file) as curated:
        assert list(curated.examples()) == [_example("a")]
        assert curated.offsets() == {0: 1}
        curated.apply([_message(1, "b"), _message(2, "a", "Changed?")])
        assert list(curated.examples()) == [_example("a", "Changed?"), _example("b")]


def test_a_release_is_announced_though_a_crash_came_between(curated: CuratedSet) -> None:
    curated.record_run(_release("r-1"), 0, 10.0)
    assert [release.id for release in curated.unannounced()] == ["r-1"]
    curated.mark_announced("r-1")
    assert curated.unannounced() == []


def _release(id: str) -> Release:
    return Release(
        id=id, parent=None, base="b", status=ReleaseStatus.KEPT, location="here", created_at=1.0
    )


def test_arrivals_are_counted_from_what_the_last_run_saw(curated: CuratedSet) -> None:
    curated.apply([_message(0, "a"), _message(1, "b")])
    seen = curated.newest_arrival()
    curated.apply([_message(2, "c")])  # while the run goes on
    assert curated.arrivals_since_training() == 3
    curated.record_run(_release("r-1"), seen, 10.0)
    assert curated.arrivals_since_training() == 1
    curated.apply([_tombstone(3, b"c")])
    assert curated.arrivals_since_training() == 0
    curated.apply([_message(4, "d")])
    assert curated.arrivals_since_training() == 1, "a number that was given is not given again"
    curated.record_run(_release("r-2"), curated.newest_arrival(), 20.0)
    curated.record_run(_release("r-2"), curated.newest_arrival(), 30.0)
    assert (curated.arrivals_since_training(), curated.last_training()) == (0, 30.0)


@pytest.mark.parametrize(
    "make", [lambda file: file.write_bytes(b"not a database" * 100), lambda file: file.mkdir()]
)
def test_a_file_that_is_no_database_is_an_error(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    file = tmp_path / "dataset.sqlite"
    make(file)
    with pytest.raises(TrainingError, match=r"dataset\.sqlite cannot be opened"):
        CuratedSet(file)


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    with pytest.raises(TrainingError, match="cannot be opened"):
        CuratedSet(tmp_path / "state" / "dataset.sqlite")


def test_seeds_and_rated_examples_are_counted_apart(curated: CuratedSet) -> None:
    seed = Example(id="s", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
    curated.apply([_message(0, "a"), _message(1, "b"), _message(2, "a", "Why not?")])
    curated.apply([Received("curated", 0, 3, b"s", encode(seed), headers_for(Example))])
    assert curated.count() == (1, 2)
    curated.apply([_tombstone(4, b"a"), _tombstone(5, b"s")])
    assert curated.count() == (0, 1)
