"""Stages under random schedules: completions, rebalances, faults, drains and kills.

Two workers share the partitions of a topic in simulated time. Every commit is checked when it is
made, and in the end every record has its outputs or, only if it is at fault itself, a dead letter.
"""

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BrokerUnavailable, EngineError, EngineStopped, WireError
from schemas.records import Rejection
from streams.kafka.messages import Message, Partition, Received
from streams.kafka.writing.dead_letters import origin_of
from streams.stages.agent.protocol import Processing
from streams.stages.harness.policy import StagePolicy
from streams.stages.harness.stage import Stage
from streams.stages.metrics import Metrics
from tests.unit.simulated_time import simulate

pytestmark = pytest.mark.timeout(0)  # HYPOTHESIS_PROFILE=full takes some minutes
_TOPIC = "documents"
_AT_FAULT = ("poison", "odd", "undecodable", "raising", "refused", "unwritable")
_HEALTHY = ("good", "flaky", "hung", "twin")
_REMEMBERED = 1000


@dataclass(frozen=True)
class Plan:
    """One schedule: everything random in it follows from ``seed``."""

    seed: int
    records: int
    partitions: int
    concurrent: bool
    remember: bool
    faults: float
    """Fraction of records that are not simply good."""
    unrest: float
    """How often something happens to the workers, per simulated second."""


@dataclass
class World:
    """The broker's topics and offsets, and the surroundings of the agents."""

    plan: Plan
    choose: random.Random = field(init=False)
    kinds: dict[Partition, list[tuple[str, str, int]]] = field(default_factory=dict)
    """Kind, id and number of outputs of each record."""
    committed: dict[Partition, int] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    dead: set[tuple[int, int]] = field(default_factory=set)
    down: Exception | None = None
    """What everything fails with at present."""
    stops: int = 0

    def __post_init__(self) -> None:
        self.choose = random.Random(self.plan.seed)
        for partition in range(self.plan.partitions):
            place = (_TOPIC, partition)
            self.committed[place] = 0
            self.kinds[place] = []
        good: list[tuple[str, str, int]] = []
        for number in range(self.plan.records):
            place = (_TOPIC, self.choose.randrange(self.plan.partitions))
            kind = "good"
            if self.choose.random() < self.plan.faults:
                kind = self.choose.choice(_AT_FAULT + _HEALTHY)
            record = (kind, f"id{number}", self.choose.choice([0, 1, 1, 2, 3]))
            if kind in ("refused", "unwritable"):
                record = (kind, f"id{number}", self.choose.choice([1, 3]))
            if kind == "twin":
                record = ("good", *self.choose.choice(good)[1:]) if good else ("good", "t", 1)
            if kind == "hung" and not self.plan.concurrent:
                record = ("flaky", *record[1:])
            if record[0] == "good":
                good.append(record)
            self.kinds[place].append(record)

    def answered(self, place: Partition, offset: int) -> bool:
        """Whether the broker has all that a record led to."""
        _, id, outputs = self.kinds[place][offset]
        whole = all(f"{id}.{number}" in self.written for number in range(outputs))
        return whole or (place[1], offset) in self.dead

    def commit(self, place: Partition, offset: int) -> None:
        assert self.committed[place] <= offset, "a commit never goes back"
        assert offset <= len(self.kinds[place])
        for earlier in range(offset):
            kind = self.kinds[place][earlier]
            assert self.answered(place, earlier), f"{place}@{earlier} {kind} is lost"
        self.committed[place] = offset

    @property
    def done(self) -> bool:
        return all(self.committed[place] == len(kinds) for place, kinds in self.kinds.items())


class SimulatedWriter:
    """Acknowledges in any order, later, also after the worker is gone."""

    def __init__(self, world: World) -> None:
        self.unavailable: str | None = None
        self._world = world

    async def send(self, message: Message) -> "asyncio.Future[None]":
        choose = self._world.choose
        if choose.random() < 0.1:
            await asyncio.sleep(choose.random())
        kind = self._kind(message)
        size = len(message.value or b"") + sum(len(value) for _, value in message.headers)
        if kind == "refused" or size > 20_000:
            raise WireError("too large")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(
            choose.choice([0.0, 0.1, 3 * choose.random()]), self._answer, message, kind, future
        )
        return future

    def _kind(self, message: Message) -> str:
        return "letter" if message.topic == "dead-letters" else (message.key or b"").decode()[:7]

    def _answer(self, message: Message, kind: str, future: "asyncio.Future[None]") -> None:
        if kind == "unwrita":
            if not future.done():
                future.set_exception(WireError("too large for its topic"))
            return
        if kind == "letter":
            received = Received("d", 0, 0, message.key, message.value, message.headers)
            origin = origin_of(received)
            assert origin is not None
            self._world.dead.add((origin.partition, origin.offset))
        else:
            self._world.written.add((message.key or b"").decode())
        if not future.done():
            future.set_result(None)


class Agent:
    """Does what the kind of its record says."""

    def __init__(self, world: World, tried: set[int], partition: int) -> None:
        self._world = world
        self._tried = tried
        self._partition = partition
        self._last = -1

    async def handle(self, record: Any, at: Any = None) -> list[Rejection]:
        world, choose = self._world, self._world.choose
        kind, id, outputs = world.kinds[_TOPIC, self._partition][at.offset]
        assert at.partition == self._partition
        if not world.plan.concurrent:
            assert at.offset >= self._last, "records of a partition are handled in order"
            self._last = at.offset
        if world.plan.concurrent and choose.random() < 0.7:
            await asyncio.sleep(choose.choice([0.0, 0.01, 5 * choose.random()]))
        if world.down is not None:
            raise world.down
        if world.stops and choose.random() < 0.05:
            world.stops -= 1
            raise EngineStopped("the engine ended")
        if kind == "raising":
            raise ValueError("by this record")
        if kind in ("flaky", "hung") and at.offset not in self._tried:
            self._tried.add(at.offset)
            if kind == "hung":
                await asyncio.Event().wait()
            raise EngineError("once")
        prefix = {"refused": "refused", "unwritable": "unwrita"}.get(kind, "")
        return [
            Rejection(
                id=f"{prefix}{id}.{number}" if prefix and number == 0 else f"{id}.{number}",
                stage="s",
                reason="r",
            )
            for number in range(outputs)
        ]

    async def probe(self) -> None:
        await asyncio.sleep(self._world.choose.random())
        if self._world.down is not None:
            raise self._world.down


class CheckedStage(Stage):
    """Counts how each message ends."""

    ends: defaultdict[Any, int]

    def _finish(self, message: Any) -> None:
        if not message.ended:
            self.ends[message] += 1
            assert self.ends[message] == 1, "a message ends once"
            assert not message.tracked.done
        super()._finish(message)


class Worker:
    """A process with one stage, as ``StageConsumer`` drives it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.positions: dict[Partition, int] = {}
        self.generation = 0
        self.start()

    def start(self) -> None:
        """Begin anew, as another process."""
        world, plan = self.world, self.world.plan
        tried: defaultdict[int, set[int]] = defaultdict(set)
        self.failed = False

        async def agent_of(partition: int) -> Agent:
            await asyncio.sleep(world.choose.choice([0.0, 3 * world.choose.random()]))
            if world.down is not None:
                raise world.down
            return Agent(world, tried[partition], partition)

        def fail(error: BaseException) -> None:
            assert isinstance(error, EngineStopped), repr(error)
            self.failed = True

        self.stage = CheckedStage(
            "simulated",
            Processing(self._decode, agent_of),
            SimulatedWriter(world),
            fail,
            StagePolicy(
                in_flight=world.choose.choice([1, 3, 100]),
                concurrent=plan.concurrent,
                timeout=20.0,
                remember=_REMEMBERED if plan.remember else 0,
            ),
            Metrics(),
        )
        self.stage.ends = defaultdict(int)

    def _decode(self, value: bytes | None, headers: Any, key: bytes | None) -> Any:
        kind, id = (value or b"").decode().split(" ")
        if kind == "poison":
            raise WireError("poison")
        if kind == "odd":
            raise ZeroDivisionError("by this record")
        return SimpleNamespace(id=id)

    async def consume(self) -> None:
        """Deliver fetched records, with the checks of ``StageConsumer._deliver``."""
        world = self.world
        while True:
            await asyncio.sleep(world.choose.choice([0.0, 0.05, world.choose.random()]))
            stage, generation = self.stage, self.generation
            for received in self._fetched():
                if not stage.has_room:
                    await stage.wait_for_room()
                if generation != self.generation or stage is not self.stage:
                    break
                await stage.accept(received)
                place = (received.topic, received.partition)
                if place in self.positions and generation == self.generation:
                    self.positions[place] = received.offset + 1

    def _fetched(self) -> list[Received]:
        world = self.world
        batch = []
        for place in world.choose.sample(sorted(self.positions), len(self.positions)):
            start = self.positions[place]
            # Sometimes what is in flight is read again.
            if world.choose.random() < 0.1:
                start = world.committed[place]
            for offset in range(start, len(world.kinds[place]))[: world.choose.randint(1, 20)]:
                kind, id, _ = world.kinds[place][offset]
                why = "a header name" if kind == "undecodable" else None
                value = f"{kind} {id}".encode()
                batch.append(Received(*place, offset, None, value, (), why))
        return batch

    def commit(self) -> None:
        for place, offset in self.stage.offsets.committable().items():
            assert place in self.positions, f"{place} is not assigned"
            self.world.commit(place, offset)

    def lose(self) -> None:
        """The partitions are given to others."""
        self.generation += 1
        self.stage.revoke(set(self.positions))
        self.positions = {}

    def gain(self, places: set[Partition]) -> None:
        self.stage.revoke(places)
        self.positions = {place: self.world.committed[place] for place in places}

    async def stop(self, *, killed: bool) -> None:
        """End the process: by a drain, or at once."""
        stage = self.stage
        self.generation += 1
        if killed or not await stage.drain(self.world.choose.choice([0.0, 1.0, 30.0])):
            await stage.cancel()
        if not killed:
            self.commit()
        self.positions = {}
        await asyncio.sleep(0)
        if not self.world.plan.concurrent:  # the consumer's own task may wait in it
            for _ in range(20):
                await asyncio.sleep(0)
        assert stage.in_flight == 0, "room is given back"
        self.start()


async def _live(plan: Plan) -> World:
    world = World(plan)
    workers = [Worker(world), Worker(world)]
    consuming = [asyncio.create_task(worker.consume()) for worker in workers]
    committing = asyncio.create_task(_commit_regularly(workers))
    weather = asyncio.create_task(_change_surroundings(world))
    try:
        await _rebalance(world, workers)
        while not world.done:
            await asyncio.sleep(1.0)
            for task in (*consuming, committing, weather):
                if task.done():
                    task.result()
            for worker in workers:
                if worker.failed:
                    await worker.stop(killed=world.choose.random() < 0.5)
                    await _rebalance(world, workers)
            if world.choose.random() < plan.unrest:
                await _disturb(world, workers)
        for worker in workers:
            assert await worker.stage.drain(100.0)
            assert worker.stage.in_flight == 0
            assert worker.stage.unavailable is None
    finally:
        for task in (*consuming, committing, weather):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    return world


async def _commit_regularly(workers: list[Worker]) -> None:
    while True:
        await asyncio.sleep(1.0)
        for worker in workers:
            worker.commit()


async def _change_surroundings(world: World) -> None:
    errors: list[Callable[[], Exception]] = [
        lambda: OSError("no space left on device"),
        lambda: EngineError("out of memory"),
        lambda: BrokerUnavailable("refused"),
    ]
    while world.plan.unrest:
        await asyncio.sleep(60 * world.choose.random())
        world.down = world.choose.choice(errors)()
        world.stops = world.choose.choice([0, 0, 1])
        await asyncio.sleep(world.choose.choice([1.0, 30 * world.choose.random()]))
        world.down = None


async def _disturb(world: World, workers: list[Worker]) -> None:
    match world.choose.choice(["rebalance", "rebalance", "drain", "kill"]):
        case "drain":
            await world.choose.choice(workers).stop(killed=False)
        case "kill":
            await world.choose.choice(workers).stop(killed=True)
    await _rebalance(world, workers)


async def _rebalance(world: World, workers: list[Worker]) -> None:
    for worker in workers:
        worker.generation += 1
        if world.choose.random() < 0.8:  # else it was suspended, and comes late
            await worker.stage.wait_idle(world.choose.choice([0.0, 5.0]))
            worker.commit()
        worker.lose()
    await asyncio.sleep(world.choose.random())
    places = sorted(world.committed)
    world.choose.shuffle(places)
    cut = world.choose.randint(0, len(places))
    workers[0].gain(set(places[:cut]))
    workers[1].gain(set(places[cut:]))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of schedules log what each of them waits for."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@given(
    st.builds(
        Plan,
        seed=st.integers(0, 2**32),
        records=st.integers(0, 40),
        partitions=st.integers(1, 3),
        concurrent=st.booleans(),
        remember=st.booleans(),
        faults=st.sampled_from([0.0, 0.2, 1.0]),
        unrest=st.sampled_from([0.0, 0.1, 0.5]),
    )
)
def test_nothing_is_lost_blamed_or_stuck(plan: Plan) -> None:
    world = simulate(_live(plan), longest=24 * 3600.0)
    for place, kinds in world.kinds.items():
        for offset, (kind, _, _) in enumerate(kinds):
            assert world.answered(place, offset)
            is_dead = (place[1], offset) in world.dead
            assert is_dead == (kind in _AT_FAULT), f"{place}@{offset} {kind}"
