"""``backstream demo``: the whole loop once, on documents that every CPython carries."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from models.private_files import private_umask
from models.releases.checkpoints import HOUSE
from models.releases.facts import ModelFacts
from models.releases.release import read_manifest
from models.serving.served_model import ServedModel
from schemas.errors import BrokerError, TrainingError
from schemas.records import Document
from schemas.release import ReleaseStatus
from streams.data.dataset import snapshot
from streams.data.exports import Shape, write_jsonl
from streams.data.feed import feed
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DOCUMENTS
from streams.observe.audit import audit
from streams.observe.example_count import ExampleCount
from streams.observe.lag import Flow, FlowReader
from streams.observe.mix import count_written, tally_of
from streams.observe.progress import STOPPING, Progress
from streams.quantities import as_count
from streams.releases.announcements import read_releases
from streams.releases.rerating import Rerating, rerating
from streams.releases.store import release_store
from streams.run.demo.documents import demo_documents
from streams.run.demo.summary import DemoOutcome, summary
from streams.run.supervisor import Supervisor
from streams.settings import Settings
from streams.stages.topology import stages_of

_POLL_SECONDS = 0.5
_COUNT_SECONDS = 1.0
"""For counting examples between two readings."""
_NOTE_SECONDS = 5.0
_TRAINING_TOKENS = 100_000
"""About a minute of training the house model on 2 cores."""
_LARGE = 50_000_000
"""Parameters from which on a model gets fewer documents and the tokens below."""
_LARGE_TRAINING_TOKENS = 10_000
_BETTER = (
    "the house model shows that the loop works; `backstream demo --model writer --state-dir "
    "writer-state`\nruns it with a model that writes better: 93 MB to download, and three to "
    "four times as long"
)
_RERATING_SECONDS = 3.0
"""Enough for one worker to load a small model."""


def run_demo(settings: Settings, base: Path, limit: int | None = None) -> int:
    """Run the demo to its end, print the summary, and return the exit code."""
    started = time.monotonic()
    progress, interrupt = Progress(), _Interrupt()
    try:
        large = ModelFacts.read(base).parameters >= _LARGE
        settings = _shortened(settings, large)
        with Supervisor(settings, base, progress.note) as supervisor, progress:
            demo = _Demo(supervisor, progress, interrupt, started)
            try:
                outcome = demo.run(islice(demo_documents(few=large), limit))
            except BrokerError:
                demo.take_events()  # raises the cause where the broker of the demo has ended
                raise
            except KeyboardInterrupt:
                progress.note(STOPPING)
                raise
        output = settings.state_dir / "curated.jsonl"
        with private_umask():  # it lies in the state directory
            write_jsonl(outcome.examples, output, Shape.TRIPLES)
        print(summary(outcome, output, release_store(settings)))
        if settings.model == HOUSE:
            print(_BETTER)
    except KeyboardInterrupt:
        progress.note(
            "interrupted; everything is stopped, and another `backstream demo` goes on from here"
        )
        return 130
    return 0 if outcome.account.complete else 1


def feed_missing(
    cluster: Cluster, documents: Iterable[Document], note: Callable[[str], None]
) -> int:
    """Feed the documents that the topic does not hold yet; return the number that it holds then.

    ``note`` is called with a line for the user.
    """
    reader = RecordReader()
    held = {
        document.id
        for received in replay(cluster, DOCUMENTS)
        if (document := reader.read_record(received, Document)) is not None
    }
    report = feed(cluster, [document for document in documents if document.id not in held])
    note(
        f"fed {as_count(report.written, 'document')} ({report.bytes / 1e6:.1f} MB); {len(held):,} "
        "were there already"
    )
    return report.written + len(held)


def _shortened(settings: Settings, large: bool) -> Settings:
    training, rerating = settings.training, settings.rerating
    tokens = min(training.max_tokens, _LARGE_TRAINING_TOKENS if large else _TRAINING_TOKENS)
    seconds = min(rerating.after_seconds, _RERATING_SECONDS)
    return settings.model_copy(
        update={
            "training": training.model_copy(update={"max_tokens": tokens}),
            "rerating": rerating.model_copy(update={"after_seconds": seconds}),
        }
    )


class _Interrupt:
    """SIGINT and SIGTERM as KeyboardInterrupt.

    A bare ``except`` in a library can swallow the exception that the handler raises: ``check``
    raises it again.
    """

    def __init__(self) -> None:
        self._received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, *_: object) -> None:
        self._received = True
        raise KeyboardInterrupt

    def check(self) -> None:
        if self._received:
            raise KeyboardInterrupt


class _Demo:
    """The steps of one demo, and what they measured."""

    def __init__(
        self, supervisor: Supervisor, progress: Progress, interrupt: _Interrupt, started: float
    ) -> None:
        self._started = started
        self._supervisor = supervisor
        self._settings = supervisor.settings
        self._cluster = supervisor.settings.kafka.cluster()
        self._progress = progress
        self._interrupt = interrupt
        self._served = read_manifest(supervisor.base).id
        self._first_curated: float | None = None

    def run(self, documents: Iterable[Document]) -> DemoOutcome:
        """Feed, wait for the stream, train, and wait for what the new release changes."""
        self._supervisor.start_worker()
        held = feed_missing(self._cluster, documents, self._progress.note)
        stages = stages_of(self._settings)
        with FlowReader(self._cluster, stages) as reader, ExampleCount(self._cluster) as count:
            self._wait_until_idle(reader, count)
            self._train()
            self._wait_until_loaded()
            kept_before = {example.id for example in snapshot(self._cluster)}
            rerated = self._wait_until_rerated()
            self._wait_until_idle(reader, count)
            account = audit(self._cluster, reader.committed(), stages)
        examples = snapshot(self._cluster)
        return DemoOutcome(
            documents=held,
            account=account,
            written=count_written(self._cluster),
            mix=tally_of(examples, self._settings.curation.mix),
            examples=examples,
            releases=read_releases(self._cluster),
            served=self._served,
            rerating=rerated,
            kept_before=kept_before,
            first_curated=self._first_curated,
            seconds=time.monotonic() - self._started,
        )

    def _wait_until_idle(self, reader: FlowReader, count: ExampleCount) -> None:
        """Wait until every message is processed, in two readings that agree.

        A single reading can fall between two commits.
        """
        last: Flow | None = None
        while True:
            self.take_events()
            flow = replace(reader.read(), examples=count.read(_COUNT_SECONDS))
            self._progress.flow(flow)
            if self._first_curated is None and flow.examples:
                self._first_curated = time.monotonic() - self._started
                self._progress.note(
                    f"the first curated example is there, after {self._first_curated:.0f} s"
                )
            if flow.idle and flow == last:
                return
            last = flow
            time.sleep(_POLL_SECONDS)

    def _train(self) -> None:
        """Train once in a process of its own. Raises TrainingError where that fails."""
        process = self._supervisor.train_once()
        while process.is_alive():
            self.take_events()
            self._progress.training()
            process.join(_POLL_SECONDS)
        self.take_events()
        if process.exitcode:
            raise TrainingError(
                f"the trainer ended with exit code {process.exitcode}; its message is above"
            )

    def _wait_until_loaded(self) -> None:
        """Wait until the worker serves the newest release.

        A release that was not promoted is loaded here, to verify it.
        """
        releases = read_releases(self._cluster)
        if not releases:
            return
        newest = releases[-1]
        if newest.status != ReleaseStatus.IN_SERVICE:
            self._progress.note(f"loading {newest.id}, to see that it can be used")
            verified = release_store(self._settings).verify(newest)
            loading = ServedModel.load(verified.directory, device=self._settings.device)
            asyncio.run(loading).close()
            self._progress.note(f"{newest.id} can be used")
            return
        while self._served != newest.id:
            self.take_events()
            time.sleep(_POLL_SECONDS)

    def _wait_until_rerated(self) -> Rerating | None:
        """Wait until the deployed release has rated again what the base rated.

        None where the base is deployed and nothing was ever announced for it.
        """
        releases = reversed(read_releases(self._cluster))
        serving = next((release for release in releases if release.id == self._served), None)
        if serving is None:
            return None
        seconds, noted = self._settings.rerating.after_seconds, 0.0
        while True:
            self.take_events()
            time.sleep(_POLL_SECONDS)
            if time.time() < serving.announced_at + seconds:
                continue
            state = rerating(self._cluster, serving, seconds)
            if time.monotonic() - noted >= _NOTE_SECONDS or state.finished:
                noted = time.monotonic()
                total = as_count(state.total, "candidate")
                self._progress.note(f"{serving.id} has rated {state.done:,} of {total} again")
            if state.finished:
                return state

    def take_events(self) -> None:
        """Show what happened. Raises BrokerError where the broker ended and cannot run again."""
        self._interrupt.check()
        for event in self._supervisor.poll():
            self._progress.event(event)
            if event["event"] in ("ready", "serving"):
                self._served = event["release"]
