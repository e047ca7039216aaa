"""Commands that decide about many pairs, killed in the middle, against a real Kafka."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from agents.curation.settings import CuratorSettings
from schemas.records import Candidate, Example, ExampleOrigin, Provenance, Rating, Scored
from streams.data.dataset import snapshot
from streams.data.decisions import read_decisions
from streams.kafka.cluster import Cluster
from streams.kafka.topics import DECISIONS
from streams.settings import Settings
from tests.integration.commands import backstream
from tests.integration.conftest import ChildProcess
from tests.integration.test_decisions import account, run_stages, settled
from tests.integration.topics import Topics

_ROOT = Path(__file__).parents[2]
_COUNT = 150


def _seed(number: int) -> Example:
    return Example(
        id=f"s{number}", instruction=f"Why {number}?", response="So.", origin=ExampleOrigin.SEED
    )


def _rated(number: int) -> Scored:
    candidate = Candidate(
        id=f"e{number}",
        instruction=f"Who is {number}?",
        response="Nobody.",
        provenance=Provenance(source="notes.md"),
    )
    rating = Rating(score=2, probabilities=(0, 1, 0, 0, 0), release="m", template="t")
    return Scored(candidate=candidate, rating=rating)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"curation": CuratorSettings()})  # 2 is too low


@pytest.fixture
def written(cluster: Cluster) -> Iterator[Callable[[], int]]:
    """How many decisions were written in all."""
    consumer = KafkaConsumer(**cluster.client)
    place = Topics(cluster).place(DECISIONS)
    yield lambda: int(consumer.end_offsets([place])[place])
    consumer.close()


def _killed(written: Callable[[], int], after: int, *arguments: str) -> int:
    """Run a command, kill it after so many decisions, and return how many it has written."""
    command = [sys.executable, "-m", "streams", *arguments]
    before = written()
    with subprocess.Popen(command, cwd=_ROOT, env=os.environ, stdout=subprocess.PIPE) as process:
        while written() < before + after:
            assert process.poll() is None, "it ended before"
        process.kill()
    time.sleep(1)  # the broker may still read what the process sent last
    return written() - before


def test_a_killed_command_is_finished_by_the_same_command(
    settings: Settings, cluster: Cluster, house: Path, written: Callable[[], int]
) -> None:
    topics, numbers = Topics(cluster), range(_COUNT)
    topics.write(*map(_seed, numbers), *map(_rated, numbers))
    options = ["--yes", "--by", "ada", "--broker", settings.kafka.bootstrap_servers]

    # No worker has done yet what was decided before the kill.
    drop = ["drop", "--where", "origin=seed", *options]
    made = _killed(written, 20, *drop)
    assert Counter(one.action for one in read_decisions(cluster)) == {"drop": made}
    again = backstream(*drop)
    assert f"{made} pairs were dropped by ada before" in again.text
    assert f"{_COUNT - made} pairs: dropped by ada" in again.text
    assert (again.code, written()) == (0, _COUNT), "nothing is decided twice"
    again = backstream(*drop)
    assert f"{_COUNT} pairs were dropped by ada before" in again.text
    assert (again.code, written()) == (0, _COUNT)

    worker = ChildProcess(run_stages, settings, house)
    try:
        worker.wait_until_ready()
        # A worker has done it.
        accept = ["accept", "--where", "score<3", *options]
        made = _killed(written, 20, *accept)
        assert len(settled(settings, topics)) == made
        again = backstream(*accept)
        assert f"{made} pairs were accepted by ada before" in again.text
        assert f"{_COUNT - made} pairs: accepted by ada" in again.text
        assert (again.code, written()) == (0, 2 * _COUNT)

        undo = ["undo", "--where", "by=ada", *options]
        made = _killed(written, 20, *undo)
        made += _killed(written, 20, *undo)
        again = backstream(*undo)
        assert f"{made} pairs were undone by ada before" in again.text
        assert f"{2 * _COUNT - made} pairs: undone by ada" in again.text
        assert (again.code, written()) == (0, 4 * _COUNT)
        assert Counter(one.action for one in read_decisions(cluster)) == {"undo": 2 * _COUNT}

        kept = settled(settings, topics)
        assert kept.keys() == {f"s{number}" for number in numbers}
        assert account(cluster).complete
    finally:
        worker.kill()


def test_a_killed_edit_is_not_made_twice_and_the_next_one_goes_on_from_it(
    settings: Settings, cluster: Cluster, written: Callable[[], int], tmp_path: Path
) -> None:
    Topics(cluster).write(_rated(0))
    options = ["--by", "ada", "--broker", settings.kafka.bootstrap_servers]
    edit = ["edit", "e0", "--instruction", "Who is it?", *options]
    assert _killed(written, 1, *edit) == 1
    again = backstream(*edit)
    assert (again.code, again.text.strip()) == (0, "e0 was edited by ada before")
    assert written() == 1
    # What is undone or decided by another person is a decision of its own.
    assert backstream("undo", "e0", *options).code == 0
    assert "e0 was undone by ada before" in backstream("undo", "e0", *options).text
    assert "e0: edited by ada" in backstream(*edit).text
    assert "e0: edited by bob" in backstream(*edit, "--by", "bob").text
    assert written() == 4
    assert not [*snapshot(cluster)], "no worker has run"
