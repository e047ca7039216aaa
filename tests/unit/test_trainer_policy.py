"""The trainer agent: when it trains, and what is left of a run that fails."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.releases.release import verify
from models.training.launch import TrainingLauncher, TrainingPolicy
from schemas.errors import TrainingError
from schemas.records import Example, ExampleOrigin, HumanRating

_EXAMPLES = [
    Example(
        id=str(number),
        instruction=f"What is {number}?\n",
        response="A number: \u2028 1.",
        origin=ExampleOrigin.SEED,
    )
    for number in range(3)
]


@pytest.fixture
def events() -> list[Mapping[str, Any]]:
    return []


@pytest.fixture
def trainer(
    tmp_path: Path, events: list[Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> TrainingLauncher:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return TrainingLauncher(
        tmp_path / "releases", threads=1, max_tokens=1_000, on_event=events.append
    )


@pytest.mark.parametrize(
    ("new", "seconds", "due"),
    [
        (0, 0, False),
        (0, 1e9, False),  # nothing new: the same model again would be the result
        (1, 99.9, False),
        (1, 100, True),
        (9, 0, False),
        (10, 0, True),
        (11, 0, True),
    ],
)
def test_enough_examples_or_enough_time_with_any(new: int, seconds: float, due: bool) -> None:
    assert TrainingPolicy(min_examples=10, max_seconds=100).due(new, seconds) is due


@settings(deadline=None)
@given(st.integers(0, 1_000), st.floats(0, 1e6), st.integers(0, 100), st.floats(0, 1e5))
def test_more_examples_or_time_never_put_a_run_off(
    new: int, seconds: float, more: int, later: float
) -> None:
    policy = TrainingPolicy()
    assert policy.due(new + more, seconds + later) >= policy.due(new, seconds)


def test_a_failed_run_tells_the_processs_own_words(
    trainer: TrainingLauncher, events: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(
        TrainingError, match=r"exit code 1: .*base is not a release: .*manifest\.json.*finished$"
    ):
        trainer.train(tmp_path / "base", tmp_path / "base", _EXAMPLES)
    assert events == []
    lines = (tmp_path / "releases" / "examples.jsonl").read_bytes().split(b"\n")
    assert [Example.model_validate_json(line) for line in lines if line] == _EXAMPLES
    trainer.stop()  # after the end, nothing to stop


def test_examples_that_break_off_leave_the_file_of_the_run_before(
    trainer: TrainingLauncher, tmp_path: Path
) -> None:
    file = tmp_path / "releases" / "examples.jsonl"
    file.parent.mkdir()
    file.write_text("of the run before\n", encoding="utf-8")

    def broken() -> Iterator[Example]:
        yield _EXAMPLES[0]
        raise ConnectionError("the disk went away")

    with pytest.raises(ConnectionError):
        trainer.train(tmp_path, tmp_path, broken())
    assert file.read_text(encoding="utf-8") == "of the run before\n"


def test_nothing_runs_before_it_is_asked_to(trainer: TrainingLauncher, tmp_path: Path) -> None:
    trainer.stop()
    assert not (tmp_path / "releases").exists()


def test_a_trainer_is_launched_without_torch_in_its_process() -> None:
    program = (
        "import sys, models.training.launch; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_brings_its_verdict_and_found_again_the_same(
    trainer: TrainingLauncher,
    events: list[Mapping[str, Any]],
    tiny_release: Path,
    tmp_path: Path,
    processes: int,
) -> None:
    base = tiny_release
    seeds = [
        Example(
            id=str(number),
            instruction=f"What does n{number} m{number}?",
            response=f"Number {number} is good for counting.",
            origin=ExampleOrigin.SEED,
        )
        for number in range(60)
    ]
    ratings = [HumanRating(id="0", instruction="What?", response="That.", score=3)]
    together = TrainingLauncher(
        tmp_path / "releases",
        threads=2,
        max_tokens=4_000,
        on_event=events.append,
        lora_rank=2,
        processes=processes,
    )
    trained = together.train(base, base, seeds, ratings)
    kinds = [event["event"] for event in events if event["event"] != "step"]
    assert kinds == ["started", "evaluated", "evaluated", "released"], "one process tells"
    steps = [event["step"] for event in events if event["event"] == "step"]
    assert steps == sorted(set(steps))
    manifest = verify(trained.directory)
    assert manifest.verdict == trained.verdict
    assert manifest.intervals == trained.intervals
    assert manifest.counts["lora_rank"] == 2
    assert manifest.counts["steps"] == -(-events[0]["sequences"] // 8), (
        "a step has as many sequences, however many processes share it"
    )
    assert together.train(base, base, seeds, ratings) == trained
