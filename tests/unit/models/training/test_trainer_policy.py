"""Training policy and launcher: when a run starts, and how it fails."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.judging.criterion import Criterion
from models.prompts.template import AUGMENTED_TAG
from models.releases.release import verify
from models.releases.trained_on import TrainedOn
from models.training.launch import TrainingLauncher
from models.training.mixing import Mix
from models.training.policy import TrainingPolicy
from schemas.errors import TrainingError
from schemas.records import Example, ExampleOrigin, HumanRating, Provenance

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
        tmp_path / "releases",
        threads=1,
        max_tokens=1_000,
        on_event=events.append,
        criterion=Criterion(),
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
def test_run_is_due_after_enough_examples_or_time(new: int, seconds: float, due: bool) -> None:
    assert TrainingPolicy(min_examples=10, max_seconds=100).due(new, seconds) is due


@settings(deadline=None)
@given(st.integers(0, 1_000), st.floats(0, 1e6), st.integers(0, 100), st.floats(0, 1e5))
def test_more_examples_or_time_never_delay_a_run(
    new: int, seconds: float, more: int, later: float
) -> None:
    policy = TrainingPolicy()
    assert policy.due(new + more, seconds + later) >= policy.due(new, seconds)


def test_failed_run_raises_the_message_of_the_process(
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


def test_error_while_writing_examples_keeps_the_previous_file(
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


def test_nothing_is_started_before_train(trainer: TrainingLauncher, tmp_path: Path) -> None:
    trainer.stop()
    assert not (tmp_path / "releases").exists()


def test_launcher_does_not_import_torch() -> None:
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
@pytest.mark.training
def test_repeated_run_returns_the_same_result(
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
    answered = Example(
        id="answered",
        instruction="How many are there?",
        response="There are 7.",
        origin=ExampleOrigin.AUGMENTED,
        provenance=Provenance(generator="answerer"),
        confidence=0.75,
    )
    seeds.append(answered)
    ratings = [HumanRating(id="0", instruction="What?", response="That.", score=3)]
    together = TrainingLauncher(
        tmp_path / "releases",
        threads=2,
        max_tokens=4_000,
        on_event=events.append,
        criterion=Criterion(),
        lora_rank=2,
        processes=processes,
        mix=Mix((("answerer", 0.1), ("seed", 0.9)), weighs=True),
    )
    trained = together.train(base, base, seeds, ratings)
    kinds = [event["event"] for event in events if event["event"] not in ("step", "working")]
    assert kinds == ["precision", "started", "evaluated", "evaluated", "released"], (
        "only one process writes events"
    )
    steps = [event["step"] for event in events if event["event"] == "step"]
    assert steps == sorted(set(steps))
    manifest = verify(trained.directory)
    assert manifest.verdict == trained.verdict
    assert manifest.intervals == trained.intervals
    assert manifest.counts["lora_rank"] == 2
    assert manifest.trained_on["answerer"] == TrainedOn(
        there=1,
        used=1,
        drawn=4,
        share=manifest.trained_on["answerer"].share,
        asked_for=0.1,
        confidence=0.75,
        tag=AUGMENTED_TAG,
    )
    assert manifest.trained_on["seed"].share > 0.85
    assert manifest.counts["steps"] == -(-events[1]["sequences"] // 8), (
        "a step has as many sequences, however many processes share it"
    )
    assert together.train(base, base, seeds, ratings) == trained
