"""The real thing: an embedded Kafka, the house model, and worker processes."""

import contextlib
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.observe.lag import Flow, FlowReader
from streams.run.processes import as_child, run_worker
from streams.settings import Settings, load
from tests.certificates import Certificates
from tests.integration.secured_broker import SecuredBroker
from tests.integration.topics import Topics

PASSAGE = """\
{title}
{line}

{body}
"""
_BODY = (
    "The {name} of a {thing} decides how it behaves when it is used more than once. A "
    "{thing} that keeps its {name} can be\n"
    "opened again later, and then it goes on exactly where it stopped. One that loses its "
    "{name} has to be made anew, which\n"
    "takes time and memory. For this reason most libraries give a {thing} a method that "
    "saves its {name} before the program\n"
    "ends, and another one that loads it when the program starts. When two parts of a "
    "program share one {thing}, the first\n"
    "one that changes the {name} must tell the other, because otherwise both would work "
    "with different values. The usual way\n"
    "is a lock: whoever holds it may change the {name}, and everybody else waits. Number "
    "{number} of these notes is about the\n"
    "{thing} alone; the others treat their own subjects in the same manner.\n"
)


def passage(number: int) -> str:
    """A document with one heading and one passage of some 800 characters.

    It is different for each number.
    """
    name = ("state", "position", "cache", "history", "schema", "session", "buffer", "version")[
        number % 8
    ]
    thing = ("parser", "reader", "cursor", "queue", "socket", "table", "stream", "clock", "index")[
        number % 9
    ]
    title = f"The {name} of a {thing}"
    return PASSAGE.format(
        title=title, line="=" * len(title), body=_BODY.format(name=name, thing=thing, number=number)
    )


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """One broker for all tests of this process; each has topics of its own, by ``settings``.

    A test that stops its broker, or that needs topics without a prefix, starts one of its own.
    """
    with EmbeddedBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """One broker with TLS, SASL and an authorizer. ``alice`` is a user without permissions."""
    directory = tmp_path_factory.mktemp("secured")
    broker = SecuredBroker(directory / "kafka", Certificates(directory))
    with broker:
        broker.set_password("alice")
        yield broker


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the names of this test's topics start with, also in the commands that it runs."""
    test = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.nodeid.removeprefix("tests/"))
    prefix = f"{test[:150].strip('-')}."
    monkeypatch.setenv("BACKSTREAM_KAFKA__TOPIC_PREFIX", prefix)
    return prefix


@pytest.fixture
def settings(broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path) -> Settings:
    """Settings for topics of this test's own.

    Everything is kept, so that much reaches ``curated``.
    """
    made = load(
        None,
        {"state_dir": tmp_path / "state"},
        # One thread each: several tests run at a time, and waiting threads spin.
        (
            "curation.threshold=1",
            "curation.passage_novelty=1",  # the passages of tests differ in a few words only
            "curation.mix={}",  # each passage is a response
            "kafka.session_seconds=6",
            "threads=1",
            "training.threads=1",
        ),
    )
    made = made.with_broker(broker.address)
    assert made.kafka.topic_prefix == topic_prefix
    create_topics(made.kafka.cluster())
    return made


@pytest.fixture
def cluster(settings: Settings) -> Cluster:
    return settings.kafka.cluster()


@pytest.fixture
def topics(cluster: Cluster) -> Topics:
    return Topics(cluster)


class ChildProcess:
    """A worker or a trainer in a process of its own, as ``up`` runs it."""

    def __init__(self, run: Callable[..., None], settings: Settings, base: Path) -> None:
        """``run`` is called there with settings, base and a queue of events."""
        context = multiprocessing.get_context("spawn")
        self.events = context.Queue()
        descriptor, path = tempfile.mkstemp(suffix=".stderr", dir=settings.state_dir.parent)
        os.close(descriptor)
        self._errors = Path(path)
        self._process = context.Process(
            target=_with_errors_in,
            args=(self._errors, run, settings, base, self.events),
            daemon=True,
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def describe(self, seconds: float = 0) -> str:
        """Whether it runs, and what it wrote to standard error.

        ``seconds`` is how long its end is waited for: the error that ends a process comes last.
        """
        self._process.join(seconds)
        code = self._process.exitcode
        state = "runs" if code is None else f"ended with exit code {code}"
        return f"{self._process.name} {state}; its stderr:\n{self._errors.read_text()}"

    def wait_until_ready(self, seconds: float = 270) -> dict[str, object]:
        """The next event that is not about the beginning of a load."""
        while True:
            event: dict[str, object] = self.events.get(timeout=seconds)
            if event["event"] != "loading":
                return event

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> int | None:
        """SIGTERM; returns the exit code."""
        self._process.terminate()
        return self.exit_code()

    def exit_code(self) -> int | None:
        """Waits for its end."""
        self._process.join(180)
        return self._process.exitcode


class WorkerProcess(ChildProcess):
    """A worker in a process of its own, as ``up`` runs it."""

    def __init__(self, settings: Settings, base: Path) -> None:
        super().__init__(_run_worker, settings, base)


def _with_errors_in(errors: Path, run: Callable[..., None], *arguments: object) -> None:
    with errors.open("a") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    run(*arguments)


def _run_worker(settings: Settings, base: Path, events) -> None:
    os.setpgrp()
    as_child(run_worker, settings, base, events.put)


@pytest.fixture
def start_worker(settings: Settings, house: Path) -> Iterator[Callable[[], WorkerProcess]]:
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(WorkerProcess(settings, house))
        return started[-1]

    yield start
    for worker in started:
        with contextlib.suppress(ValueError):
            worker.kill()


def kill_broker(broker: EmbeddedBroker) -> None:
    """kill -9."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    broker.stop()


def wait_for_flow(
    settings: Settings, reached: Callable[[Flow], bool], seconds: float = 540
) -> Flow:
    """The first flow that satisfies ``reached``; fails the test where none does in time."""
    deadline = time.monotonic() + seconds
    with FlowReader(settings.kafka.cluster()) as reader:
        while True:
            flow = reader.read()
            if reached(flow):
                return flow
            assert time.monotonic() < deadline, f"not reached in {seconds} s: {flow}"
            time.sleep(0.2)


def wait_until_idle(settings: Settings, documents: int, seconds: float = 720) -> Flow:
    """The flow once ``documents`` are on the topic and everything is accounted for.

    Two readings have to agree.
    """
    last: list[Flow] = []

    def idle(flow: Flow) -> bool:
        agreed = flow.idle and flow.messages["documents"] >= documents and last[-1:] == [flow]
        last.append(flow)
        return agreed

    return wait_for_flow(settings, idle, seconds)
