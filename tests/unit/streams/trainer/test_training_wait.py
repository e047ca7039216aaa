"""What the next training run waits for, as the trainer's copy of the curated set tells."""

from pathlib import Path

import pytest

from schemas.errors import TrainingError
from schemas.records import Example, ExampleOrigin
from schemas.release import Release, ReleaseStatus
from schemas.wire import encode, headers_for
from streams.kafka.messages import Received
from streams.settings import Settings, load
from streams.trainer.curated_set import CuratedSet
from streams.trainer.training_wait import training_wait


def _settings(directory: Path) -> Settings:
    return load(flags={"state_dir": directory}, assignments=("training.min_examples=5",))


def _message(offset: int) -> Received:
    example = Example(
        id=f"e{offset}", instruction="Why?", response="Because.", origin=ExampleOrigin.SEED
    )
    return Received(
        topic="curated",
        partition=0,
        offset=offset,
        key=example.id.encode(),
        value=encode(example),
        headers=headers_for(Example),
    )


def test_the_wait_has_the_numbers_of_the_settings(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert training_wait(settings, None) is None
    with CuratedSet(settings.dataset_file) as curated:
        curated.apply([_message(0), _message(1)])
        assert str(training_wait(settings, None)) == (
            "training waits for 3 more examples: 2 of 5 are new (training.min_examples); with any "
            "new one it starts 6 h after the trainer started (training.max_seconds)"
        )
        curated.record_run(
            Release(
                id="r-1",
                parent=None,
                base="b",
                status=ReleaseStatus.KEPT,
                location="",
                created_at=0.0,
            ),
            2,
            1000.0,
        )
        assert training_wait(settings, None, now=1000.0) is None
        curated.apply([_message(2)])
        wait = training_wait(settings, None, now=1000.0 + 3600)
        assert wait is not None
        assert (wait.new, wait.needed, wait.seconds_left) == (1, 5, 5 * 3600.0)
        assert training_wait(settings, None, now=1000.0 + 7 * 3600) is None


def test_a_copy_that_is_no_database_is_named(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    settings.dataset_file.write_text("no database at all, although it is long enough" * 40)
    with pytest.raises(TrainingError, match=r"dataset\.sqlite cannot be read"):
        training_wait(settings, None)
