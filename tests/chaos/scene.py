"""One class of faults at work: a cluster, workers, a feed, and what is measured."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streams.kafka.embedded.ports import LOOPBACK, reserved_port
from tests.chaos.cluster import Cluster
from tests.chaos.feeder import Feeder
from tests.chaos.processes import Fleet, Process
from tests.chaos.result import Result
from tests.chaos.verifier import Position, read, verify
from tests.chaos.watch import STAGES, Watch

RECOVERY_SECONDS = 300.0
"""A stream that has made no progress for this long after a fault has not recovered."""
_STUCK_SECONDS = 240.0
_LONGEST_SECONDS = 1200.0
_SETTLED_SECONDS = 3.0
_COMMAND_SECONDS = 300.0
_FIRST_PROGRESS_SECONDS = 300.0
_TRICKLE, _TRICKLE_SECONDS = 4, 1.0
"""Documents that are fed in each interval while a recovery is awaited."""
_ENOUGH_LEFT = 40
"""While more messages than this are left, none are fed in addition: a slow machine would not get
through them.
"""
_SETTINGS = (
    "curation.threshold=2",
    "kafka.session_seconds=6",
    "kafka.rebalance_seconds=20",
    "rerating.after_seconds=5",
)


@dataclass(frozen=True)
class FaultClass:
    """One class of faults: what it needs, and what it does to a scene."""

    name: str
    title: str
    run: Callable[["Scene"], None]
    share: float = 1.0
    """Documents, in shares of those of all classes."""
    workers: int = 1
    nodes: int = 1
    """Brokers of the harness. With 0 the stream is that of ``up``, with a broker of its own."""
    proxied: bool = False
    """Whether the workers reach the brokers through the proxies."""
    settings: tuple[str, ...] = ()
    setup: Callable[["Scene", ExitStack], None] | None = None
    """Prepares the directory before the cluster starts."""


@dataclass
class Scene:
    """Runs one class. Use as a context manager."""

    fault_class: FaultClass
    seed: int
    documents: int
    directory: Path
    say: Callable[[str], None] = print
    poison: dict[Position, bool] = field(default_factory=dict)
    """Messages made unreadable, and whether each has to become a dead letter."""
    markers: int = 0
    """Transaction markers that were written to the topics that the stages read."""
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What the stream did wrong apart from its records."""
    notes: dict[str, object] = field(default_factory=dict)

    def __enter__(self) -> "Scene":
        self.chance = random.Random(f"{self.seed}/{self.fault_class.name}/faults")
        self.started = time.monotonic()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        with ExitStack() as stack:
            if self.fault_class.setup is not None:
                self.fault_class.setup(self, stack)
            self.cluster = stack.enter_context(Cluster(self.directory, self.fault_class.nodes))
            self.fleet = Fleet(self.directory)
            stack.callback(self.fleet.close)
            if self.fault_class.nodes:
                self.address = self.cluster.address
                for _ in range(self.fault_class.workers):
                    self.add_worker()
            else:
                port = stack.enter_context(reserved_port())
                self.address = f"{LOOPBACK}:{port}"
                self.add_up(port)
            # They wait for the topics, which the first worker creates.
            self.feeder = Feeder(self.address, self.seed, self.fault_class.name)
            self.watch = stack.enter_context(Watch(self.address))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def brokers(self) -> str:
        """Where the product's processes find the brokers."""
        return self.cluster.proxied if self.fault_class.proxied else self.cluster.address

    def command(self, verb: str, *options: str) -> list[str]:
        """The arguments of a command of the product against this cluster."""
        chosen = [*_SETTINGS, *self.fault_class.settings]
        if self.fault_class.nodes:
            chosen.append(f"kafka.replication_factor={self.fault_class.nodes}")
            options = ("--broker", self.brokers, *options)
        chosen.append(f"state_dir={self.directory / 'state'}")
        return [*verb.split(), *options, *(part for one in chosen for part in ("-s", one))]

    def add_worker(self, *options: str) -> Process:
        name = f"worker-{len(list(self.directory.glob('worker-*.log')))}"
        return self.fleet.add(name, self.command("worker", *options))

    def add_up(self, port: int) -> Process:
        # While what the killed one had started ends, another one may be refused.
        command = self.command("up", "--no-training", "--port", str(port))
        return self.fleet.add("up", command, may_end=True)

    def check_command(self, verb: str, *options: str) -> None:
        """Run a command of the product to its end. Its failure is a problem."""
        process = Process(verb.replace(" ", "-"), self.command(verb, *options), self.directory)
        code = process.run(_COMMAND_SECONDS)
        if code != 0:
            self.problems.append(f"`backstream {verb}` ended with {code}: {process.last_line}")

    def start(self) -> None:
        """Wait until the workers are ready and every stage has committed something."""
        workers = [one for one in self.fleet.processes if one.name.startswith("worker")]
        self.await_true(
            "the workers are ready", lambda: all(worker.has_event("ready") for worker in workers)
        )
        self.feed(max(20, self.documents // 50))
        self.await_true(
            "every stage has committed something",
            lambda: all(self.watch.done(stage) for stage in STAGES),
            _FIRST_PROGRESS_SECONDS,
        )

    def rounds(self, count: int) -> Iterator[int]:
        """``count`` rounds that share the documents; each feeds its own and waits a little."""
        for number in range(count):
            self.feed((self.documents - self.feeder.sent) // (count - number))
            self.pause(self.chance.uniform(0.3, 2.0))
            yield number

    def feed(self, count: int) -> None:
        self.feeder.feed(count)

    @contextmanager
    def fault(self, kind: str) -> Iterator[None]:
        """Inject a fault in the block; its end is the block's. Then wait for progress."""
        self.faults[kind] += 1
        yield
        since = time.monotonic()
        if (seconds := self._recovery(since)) is not None:
            self.recoveries.append(seconds)
            self.say(f"{kind}: went on after {seconds:.1f} s; {self.watch.last.left:,} left")
        else:
            self.problems.append(f"{kind}: no progress of every stage in {RECOVERY_SECONDS:.0f} s")
            self.say(self.problems[-1])
            raise NotRecovered(self.problems[-1])

    def _recovery(self, since: float) -> float | None:
        """Seconds from ``since`` to committed progress of every stage. Feeds a little meanwhile."""
        while time.monotonic() < since + RECOVERY_SECONDS:
            if self.watch.last.left < _ENOUGH_LEFT:
                self.feed(_TRICKLE)
            self.until(lambda: self.watch.recovered(since) is not None, _TRICKLE_SECONDS)
            if (seconds := self.watch.recovered(since)) is not None:
                return seconds
        return None

    def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition, and meanwhile start again what has ended."""
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                return False
            self.pause(0.1)
        return True

    def await_true(self, what: str, reached: Callable[[], bool], seconds: float = 300.0) -> None:
        """Wait for a condition without which the class cannot go on."""
        if not self.until(reached, seconds):
            self.problems.append(f"not reached in {seconds:.0f} s: {what}")
            raise NotRecovered(self.problems[-1])

    def pause(self, seconds: float) -> None:
        """Let time pass; processes that ended are started again."""
        deadline = time.monotonic() + seconds
        while True:
            self.fleet.tend()
            self.feeder.poll()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.1, left))

    def finish(self) -> Result:
        """Feed what is left, wait until nothing is in flight, and verify."""
        self.feed(max(0, self.documents - self.feeder.sent))
        self.feeder.flush()
        self.problems += self.feeder.failed
        if not self.until(lambda: self._idle() or self._stuck(), _LONGEST_SECONDS) or self._stuck():
            self.problems.append(f"{self.watch.last.left:,} messages were not done in the end")
        fed = {id: document.source for id, document in self.feeder.fed.items()}
        verdict = verify(fed, self.poison, read(self.address, without=self.poison))
        self.check_command("audit")
        self.notes["failed starts"] = self.fleet.failed_starts
        return Result(
            name=self.fault_class.name,
            title=self.fault_class.title,
            seed=self.seed,
            documents=self.documents,
            faults=dict(self.faults),
            recoveries=self.recoveries,
            seconds=time.monotonic() - self.started,
            problems=self.problems,
            notes=self.notes,
            verdict=verdict.as_json(),
            wrong=verdict.faults,
            restarts=self.fleet.unexpected,
        )

    def play(self) -> Result:
        """The whole class."""
        try:
            self.start()
            self.fault_class.run(self)
        except NotRecovered:
            pass  # noted
        except Exception as error:  # what there is gets verified all the same
            self.problems.append(f"the class ended early: {error!r}")
        return self.finish()

    def _idle(self) -> bool:
        return self.watch.idle(self.feeder.messages, self.markers, _SETTLED_SECONDS)

    def _stuck(self) -> bool:
        """Whether something is left, and nothing has moved for long."""
        return not self._idle() and self.watch.still(_STUCK_SECONDS)


class Unavailable(Exception):
    """This machine cannot do what the class needs: it is skipped, by name."""


class NotRecovered(Exception):
    """The stream does not go on: the class ends here, and what there is gets verified."""
