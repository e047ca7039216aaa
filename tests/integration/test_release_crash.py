"""kill -9 at each step between the start of a training and the deployed release everywhere.

The steps, by the events of the trainer and the worker:

    training ─▶ started ─▶ step ─▶ evaluated (parent, then new) ─▶ released ─▶ announced ─▶ serving

At each of them the trainer, the broker or the worker is killed and started again, within one run.
The end must be that of an undisturbed run: the same release, byte for byte, announced as
what it is, and served; every candidate rated by it; every id accounted for.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.ids import seed_id
from schemas.records import Example, ExampleOrigin, Scored
from schemas.release import ReleaseStatus
from schemas.wire import decode, header_map
from streams.data.dataset import snapshot
from streams.data.feed import feed, seed
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.messages import Received
from streams.kafka.reading.replay import replay
from streams.kafka.topics import SCORED
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.releases.announcements import Announcer, read_releases
from streams.releases.rerating import rerating
from streams.run.processes import as_child, run_trainer, run_worker
from streams.settings import Settings, load
from tests.announcements import announcement
from tests.integration.conftest import kill_broker, wait_until_idle
from tests.integration.documents import notes

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.training]
_DOCUMENTS = 6
_AFTER_SECONDS = 1.0


class Child:
    """A worker or a trainer in a process group of its own, and its events."""

    def __init__(
        self, body: Callable[..., None], settings: Settings, base: Path, **options: Any
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.events: Any = context.Queue()
        self._process = context.Process(
            target=_run, args=(body, settings, base, self.events, options), daemon=True
        )
        self._process.start()

    def wait_for(self, *kinds: str, seconds: float = 900) -> dict[str, Any]:
        """The next event of these kinds."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(queue.Empty):
                event = self.events.get(timeout=1)
                if event["event"] in kinds:
                    return event
            if not self._process.is_alive() and self.events.empty():
                raise ChildProcessError(f"it ended before {kinds}")
            assert time.monotonic() < deadline, f"no {kinds} in {seconds} s"

    def kill(self) -> None:
        """Kill -9 it, and what it started: a training run without its trainer takes time to end."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()

    def wait(self) -> None:
        self._process.join(540)
        assert self._process.exitcode is not None


def _run(
    body: Callable[..., None], settings: Settings, base: Path, events: Any, options: dict[str, Any]
) -> None:
    os.setpgrp()
    with contextlib.suppress(Exception):  # its end says so; the traceback would fill the report
        as_child(body, settings, base, events.put, **options)


@dataclass
class Loop:
    """A stream before its first release, and the processes that make and serve the release."""

    settings: Settings
    broker: EmbeddedBroker
    base: Path
    worker: Child | None = None
    trainer: Child | None = None

    def start_worker(self) -> Child:
        self.worker = Child(run_worker, self.settings, self.base)
        return self.worker

    def start_trainer(self) -> Child:
        self.trainer = Child(run_trainer, self.settings, self.base, once=True)
        return self.trainer

    def trainer_at(self, step: str) -> Child:
        """A trainer at a step. It is restarted if it ends before, as a supervisor does."""
        while True:
            try:
                (self.trainer or self.start_trainer()).wait_for(step)
            except ChildProcessError:
                self.trainer = None
            else:
                assert self.trainer is not None
                return self.trainer

    def restart_broker(self) -> None:
        kill_broker(self.broker)
        self.broker.start()

    def close(self) -> None:
        for child in (self.worker, self.trainer):
            if child is not None:
                child.kill()

    def until_served(self) -> None:
        """Wait until the release serves, has rated everything, and the stream is idle."""
        cluster = self.settings.kafka.cluster()
        deadline = time.monotonic() + 360
        while not (found := read_releases(cluster)) or not (
            time.time() > found[-1].announced_at + _AFTER_SECONDS
            and rerating(cluster, found[-1], _AFTER_SECONDS).finished
        ):
            assert time.monotonic() < deadline, found
            time.sleep(0.3)
        wait_until_idle(self.settings, _DOCUMENTS)

    def end(self) -> tuple[Any, ...]:
        """Releases, ratings and examples at the end of a run."""
        cluster = self.settings.kafka.cluster()
        with FlowReader(cluster) as reader:
            account = audit(cluster, reader.committed())
        assert account.complete, account
        releases = [
            (r.id, r.status, r.parent, r.base, _rounded(r.metrics)) for r in read_releases(cluster)
        ]
        rated = sorted(
            {(s.id, s.rating.release) for s in (_scored(m) for m in replay(cluster, SCORED))}
        )
        kept = sorted(
            (e.id, e.instruction, e.rating.release if e.rating else "") for e in snapshot(cluster)
        )
        return releases, rated, kept


def _rounded(metrics: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Ratings depend in their last digits on what else was in the engine's batch."""
    return tuple(sorted((name, round(value, 5)) for name, value in metrics.items()))


@pytest.fixture(scope="module")
def base(judge_release: Path) -> Path:
    """A tiny model: what a run takes is then mostly the imports."""
    return judge_release


@contextlib.contextmanager
def prepared(directory: Path, base: Path) -> Iterator[Loop]:
    """Human seeds, documents that the base has processed, and a worker that is idle."""
    with a_broker(directory) as (broker, settings):
        loop = Loop(settings, broker, base)
        try:
            seed(settings.kafka.cluster(), _seeds())
            loop.start_worker().wait_for("ready")
            feed(settings.kafka.cluster(), notes(range(_DOCUMENTS)))
            wait_until_idle(settings, _DOCUMENTS)
            yield loop
        finally:
            loop.close()


@contextlib.contextmanager
def a_broker(directory: Path) -> Iterator[tuple[EmbeddedBroker, Settings]]:
    """A broker that keeps its port over a restart, as a user's does, and settings for it."""
    chosen: tuple[str, ...] = (
        "curation.threshold=1",
        "kafka.session_seconds=6",
        "training.max_tokens=20000",
        "threads=1",
        "training.threads=1",
    )
    chosen += ("generation.temperature=1",)  # a model of random weights stops by chance alone
    settings = load(
        None, {"state_dir": directory}, (*chosen, f"rerating.after_seconds={_AFTER_SECONDS}")
    )
    with EmbeddedBroker(directory / "kafka") as broker:
        settings = settings.with_broker(broker.address)
        create_topics(settings.kafka.cluster())
        yield broker, settings


def _scored(message: Received) -> Scored:
    return decode(Scored, message.value, header_map(message.headers))


def _seeds() -> Iterator[Example]:
    for number in range(3):
        instruction, response = f"What is {number} and {number}?", f"It is {2 * number}."
        id = seed_id(instruction, None, response)
        yield Example(id=id, instruction=instruction, response=response, origin=ExampleOrigin.SEED)


@pytest.fixture(scope="module")
def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The end of an undisturbed run."""
    with prepared(tmp_path_factory.mktemp("undisturbed"), base) as loop:
        loop.start_trainer().wait_for("announced")
        loop.until_served()
        end = releases, rated, _ = loop.end()
        ((id, status, *_),) = releases
        assert status == "in_service", (
            "a trained model beats one of random weights; else there is nothing to serve"
        )
        by_base, by_release = (
            [i for i, release in rated if (release == id) is new] for new in (False, True)
        )
        assert by_base
        assert by_base == by_release
        return end


def test_the_trainer_is_killed_at_every_step(
    base: Path, undisturbed: tuple[Any, ...], tmp_path: Path
) -> None:
    with prepared(tmp_path, base) as loop:
        for step in ("training", "started", "step", "evaluated", "released", "announced"):
            trainer = loop.start_trainer()
            trainer.wait_for(step)
            trainer.kill()
        loop.start_trainer().wait()
        loop.until_served()
        assert loop.end() == undisturbed


def test_the_broker_is_killed_at_every_step(
    base: Path, undisturbed: tuple[Any, ...], tmp_path: Path
) -> None:
    with prepared(tmp_path, base) as loop:
        for step in ("training", "step", "released", "announced"):
            loop.trainer_at(step)
            loop.restart_broker()
        loop.until_served()
        assert loop.end() == undisturbed


def test_an_announcement_outlives_a_broker_that_is_killed_right_after_it(
    base: Path, tmp_path: Path
) -> None:
    """The transaction's marker may never be written then; readers must not wait for it."""
    with a_broker(tmp_path) as (broker, settings):
        cluster = settings.kafka.cluster()
        with Announcer(cluster, "trainer") as announcer:
            announcer.announce(announcement("r-1", status=ReleaseStatus.KEPT))
            kill_broker(broker)
            broker.start()
        assert [release.id for release in read_releases(cluster)] == ["r-1"]
        with Announcer(cluster, "trainer") as announcer:
            announcer.announce(announcement("r-2", status=ReleaseStatus.KEPT))
        assert [release.id for release in read_releases(cluster)] == ["r-1", "r-2"]


def test_the_worker_is_killed_at_every_step(
    base: Path, undisturbed: tuple[Any, ...], tmp_path: Path
) -> None:
    with prepared(tmp_path, base) as loop:
        trainer, worker = loop.start_trainer(), loop.worker
        assert worker is not None
        for step in ("training", "released", "announced"):
            trainer.wait_for(step)
            worker.kill()
            worker = loop.start_worker()
        worker.wait_for("ready", "serving")
        worker.kill()
        worker = loop.start_worker()
        worker.wait_for("serving", "ready")
        loop.until_served()
        assert loop.end() == undisturbed
