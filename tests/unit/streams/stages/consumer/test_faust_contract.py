"""What ``streams/stages/consumer/stage_consumer.py`` relies on in faust-streaming.

The stock consumer can commit past a record that is still in flight, which is why its commits are
overridden. Should that be fixed upstream, ``test_the_stock_consumer_commits_past_a_gap`` fails, and
the override may be reconsidered.
"""

import asyncio
import inspect
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import Cancelled, IllegalStateError, KafkaError, KafkaTimeoutError
from aiokafka.util import commit_structure_validate
from faust.tables.recovery import Recovery
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP
from intervaltree import IntervalTree

from streams.kafka.messages import Received
from streams.kafka.reading.consumers import AsyncConsumer
from streams.kafka.reading.fetched import Gap
from streams.stages.consumer import stage_consumer
from streams.stages.consumer.readiness import HeartbeatThread, Readiness
from streams.stages.consumer.stage_consumer import StageConsumer
from streams.stages.harness.deleted_unread import DeletedUnread
from streams.stages.harness.offsets import OffsetTrackers
from streams.stages.harness.stage import Stage

_TP = TP("documents", 0)
_OVERRIDDEN = {
    "_drain_messages": ["self", "fetcher"],
    "_filter_tps_with_pending_acks": ["self", "topics"],
    "_new_offset": ["self", "tp"],
    "_commit": ["self", "offsets"],
    "_new_consumer_thread": ["self"],
    "verify_all_partitions_active": ["self"],
    "perform_seek": ["self"],
    "wait_empty": ["self"],
    "on_partitions_revoked": ["self", "revoked"],
    "on_partitions_assigned": ["self", "assigned", "generation_id"],
}
_OUR_OWN = {
    "__init__",
    "_begin_again",
    "_deleted_before",
    "_deliver",
    "_finish_gap",
    "_forget",
    "_read_again",
    "describe",
    "unread",
}
_CALLED = ("commit_and_end_transactions", "_wait_next_records", "seek_to_committed")


def _consumer(stage: Any) -> StageConsumer:
    """A consumer without the services that its constructor makes."""
    consumer = object.__new__(StageConsumer)
    consumer._stage = stage
    consumer._readiness = Readiness(30, 600, lambda: 0)
    return consumer


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert issubclass(Transport.Consumer, Consumer)


@pytest.mark.parametrize("name", _OVERRIDDEN)
def test_an_overridden_method_is_there_with_its_parameters(name: str) -> None:
    stock, ours = getattr(Consumer, name), getattr(StageConsumer, name)
    assert list(inspect.signature(stock).parameters) == _OVERRIDDEN[name]
    assert list(inspect.signature(ours).parameters) == _OVERRIDDEN[name]
    assert inspect.iscoroutinefunction(inspect.unwrap(ours)) == inspect.iscoroutinefunction(
        inspect.unwrap(stock)
    )


def test_nothing_else_is_overridden() -> None:
    ours = {name for name, value in vars(StageConsumer).items() if inspect.isfunction(value)}
    assert ours == set(_OVERRIDDEN) | _OUR_OWN
    assert not any(hasattr(Consumer, name) for name in _OUR_OWN - {"__init__"} | {"_client"})


@pytest.mark.parametrize("name", _CALLED)
def test_what_is_called_is_there(name: str) -> None:
    assert inspect.iscoroutinefunction(inspect.unwrap(getattr(Consumer, name)))


def test_the_fetcher_runs_the_overridden_loop() -> None:
    assert "await consumer._drain_messages(self)" in inspect.getsource(
        faust.transport.consumer.Fetcher
    )


def test_the_thread_makes_the_client_that_is_replaced() -> None:
    method = AIOKafkaConsumerThread._create_consumer
    assert list(inspect.signature(method).parameters) == ["self", "loop"]
    assert "self._consumer = self._create_consumer(loop=self.thread_loop)" in inspect.getsource(
        AIOKafkaConsumerThread.on_start
    )
    assert "return AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)" in (
        inspect.getsource(Consumer._new_consumer_thread)
    )


def test_the_stock_thread_is_closed_by_the_event_loop_of_the_app() -> None:
    """Should it be closed on its own, the override may go."""
    source = inspect.getsource(AIOKafkaConsumerThread.close)
    assert "self._consumer._client.close(), self.app.loop" in source
    assert "self._consumer._coordinator.close(), self.app.loop" in source
    assert "await self._consumer.stop()" in inspect.getsource(AIOKafkaConsumerThread.on_thread_stop)


def test_a_gap_lets_the_offsets_before_it_be_committed_first() -> None:
    offsets = OffsetTrackers()
    consumer = _consumer(cast("Stage", SimpleNamespace(offsets=offsets)))
    slow = offsets[_TP].start(5)
    assert slow is not None
    consumer._finish_gap(_TP, Gap(7))
    assert consumer._new_offset(_TP) is None, "5 is in flight"
    offsets[_TP].finish(slow)
    assert consumer._new_offset(_TP) == 8
    consumer._finish_gap(_TP, Gap(6))  # read again
    assert consumer._new_offset(_TP) == 8


def test_the_commit_still_asks_the_overridden_methods() -> None:
    source = "".join(
        inspect.getsource(inspect.unwrap(value))
        for value in vars(faust.transport.consumer.Consumer).values()
        if inspect.isfunction(value)
    )
    assert "self._filter_tps_with_pending_acks(" in source
    assert "self._new_offset(" in source
    assert "await self.wait_empty()" in source


def test_the_app_does_not_make_directories_elsewhere() -> None:
    assert inspect.isfunction(faust.App._create_directories)


class _FullStage:
    """A stage with room for one message, until ``finish``."""

    def __init__(self) -> None:
        self.name = "segmenter"
        self.offsets = OffsetTrackers()
        self.accepted: list[int] = []
        self.deleted: list[DeletedUnread] = []
        self._room = asyncio.Event()
        self._room.set()

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def wait_for_room(self) -> None:
        await self._room.wait()

    async def accept(self, received: Received) -> None:
        self.accepted.append(received.offset)
        self._room.clear()

    def note_deleted(self, deleted: DeletedUnread) -> None:
        self.deleted.append(deleted)

    def finish(self) -> None:
        self._room.set()


def _reading(stage: _FullStage) -> tuple[StageConsumer, SimpleNamespace]:
    app = SimpleNamespace(consumer_generation_id=1)
    consumer: Any = _consumer(stage)
    consumer.app, consumer.flow_active, consumer._read_offset = app, True, {}
    consumer._committed_offset = {}
    consumer.scheduler = DefaultSchedulingStrategy()
    return consumer, app


def _fetched(count: int, first: int = 0) -> dict[TP, list[Any]]:
    topic, partition = _TP
    offsets = range(first, first + count)
    return {_TP: [Received(topic, partition, offset, None, b"") for offset in offsets]}


async def test_records_are_delivered_as_there_is_room() -> None:
    stage = _FullStage()
    consumer, _ = _reading(stage)
    delivering = asyncio.create_task(consumer._deliver(_fetched(2)))
    await asyncio.sleep(0)
    assert stage.accepted == [0]
    stage.finish()
    assert await delivering
    assert stage.accepted == [0, 1]
    assert consumer._read_offset == {_TP: 1}


@pytest.mark.parametrize("change", ["generation", "flow"])
async def test_a_record_that_waited_through_a_rebalance_is_not_delivered(change: str) -> None:
    stage = _FullStage()
    consumer, app = _reading(stage)
    delivering = asyncio.create_task(consumer._deliver(_fetched(2)))
    await asyncio.sleep(0)
    if change == "generation":
        app.consumer_generation_id = 2
    else:
        consumer.flow_active = False
    stage.finish()
    assert not await delivering
    assert stage.accepted == [0]


@pytest.mark.parametrize(
    ("committed", "started", "start", "deleted"),
    [
        (5, None, 8, [(5, 3)]),  # after an assignment
        (2, 4, 8, [(5, 3)]),  # while it reads; up to 4 was started
        (5, None, 12, [(5, 4)]),  # more was deleted since the fetch
        (5, None, 3, []),  # markers of transactions
        (None, None, 8, []),  # nothing was ever committed
        (9, None, 9, []),
    ],
)
async def test_what_was_deleted_before_it_was_read_is_noted_first(
    committed: int | None, started: int | None, start: int, deleted: list[tuple[int, int]]
) -> None:
    stage = _FullStage()
    consumer, _ = _reading(stage)
    if committed is not None:
        consumer._committed_offset[_TP] = committed
    if started is not None:
        stage.offsets[_TP].start(started)

    async def earliest_offsets(*partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, start)

    consumer.earliest_offsets = earliest_offsets  # type: ignore[method-assign]
    assert await consumer._deliver(_fetched(1, first=9))
    assert [(one.first, one.count) for one in stage.deleted] == deleted
    assert stage.accepted == [9]


async def test_a_broker_that_is_away_meanwhile_delays_the_records() -> None:
    stage = _FullStage()
    consumer, _ = _reading(stage)
    consumer._committed_offset[_TP] = 5

    async def earliest_offsets(*partitions: TP) -> dict[TP, int]:
        raise KafkaError

    consumer.earliest_offsets = earliest_offsets  # type: ignore[method-assign]
    assert not await consumer._deliver(_fetched(1, first=9))
    assert stage.accepted == []


async def test_what_was_not_delivered_is_sought_until_the_broker_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage_consumer, "_RETRY_SECONDS", 0.0)
    consumer: Any = _consumer(_FullStage())
    errors = [KafkaError(), KafkaError()]

    async def seek_to_committed() -> dict[TP, int]:
        if errors:
            raise errors.pop()
        return {_TP: 3}

    consumer.seek_to_committed, consumer._stopped = seek_to_committed, asyncio.Event()
    consumer._crashed = asyncio.Event()
    consumer._read_offset, consumer._committed_offset = {}, {}
    await consumer._read_again()
    assert consumer._committed_offset == {_TP: 3}


async def test_a_seek_that_fails_has_the_group_joined_again() -> None:
    consumer: Any = _consumer(_FullStage())
    joined: list[str] = []
    client = object.__new__(AsyncConsumer)
    client.join_again = lambda: joined.append("again")  # type: ignore[method-assign]

    async def seek_to_committed() -> dict[TP, int]:
        raise KafkaTimeoutError("no answer")

    consumer.seek_to_committed, consumer._read_offset = seek_to_committed, {}
    consumer._thread = SimpleNamespace(
        _consumer=client, thread_loop=asyncio.get_running_loop(), fetcher=None
    )
    with pytest.raises(IllegalStateError, match="no answer"):
        await consumer.perform_seek()
    await asyncio.sleep(0)
    assert joined == ["again"]
    source = inspect.getsource(Recovery._restart_recovery.fun)
    assert "except IllegalStateError as exc:" in source
    assert Recovery._restart_recovery.fun.__globals__["IllegalStateError"] is IllegalStateError


async def test_a_call_that_the_thread_cancels_does_not_cancel_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def call_thread(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(AIOKafkaConsumerThread, "call_thread", call_thread)
    thread = object.__new__(stage_consumer._StageConsumerThread)
    with pytest.raises(Cancelled, match="call_thread was cancelled"):
        await thread.call_thread(call_thread)

    async def wait(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaConsumerThread, "call_thread", wait)
    calling = asyncio.create_task(thread.call_thread(wait))
    await asyncio.sleep(0)
    calling.cancel()
    await asyncio.wait({calling})
    assert calling.cancelled()


async def test_a_commit_of_what_is_not_assigned_any_more_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stock(_: object, offsets: dict[TP, int]) -> bool:
        return True

    monkeypatch.setattr(AIOKafkaConsumerThread, "_commit", stock)
    thread: Any = object.__new__(stage_consumer._StageConsumerThread)
    thread.assignment = lambda: {TP("documents", 1)}
    assert not await thread._commit({_TP: 3})
    assert await thread._commit({_TP: 3, TP("documents", 1): 5})
    with pytest.raises(ValueError, match=r"\{\}"):
        commit_structure_validate({})  # what the stock thread ends the app with


async def test_a_commit_that_the_thread_cancels_is_made_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def cancelled(*_: object) -> bool:
        raise Cancelled

    monkeypatch.setattr(Consumer, "_commit", cancelled)
    consumer, _ = _reading(_FullStage())
    consumer._readiness = Readiness(30, 600, lambda: 0)
    assert not await consumer._commit({_TP: 3})


async def test_a_partition_without_a_position_does_not_end_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = _consumer(None)

    def asserts(now: float, tp: TP) -> None:
        raise AssertionError(f"{tp} has no position")  # as aiokafka's state of a partition does

    async def at_once(seconds: float) -> None: ...

    monkeypatch.setattr(consumer, "assignment", lambda: {_TP}, raising=False)
    monkeypatch.setattr(consumer, "sleep", at_once, raising=False)
    monkeypatch.setattr(consumer, "verify_event_path", asserts, raising=False)
    monkeypatch.setattr(Consumer, "should_stop", False)
    with pytest.raises(AssertionError, match="no position"):
        await Consumer.verify_all_partitions_active(consumer)
    await consumer.verify_all_partitions_active()


def test_what_lies_behind_the_last_started_offset_is_unread() -> None:
    stage, place = _FullStage(), ("documents", 0)
    consumer, _ = _reading(stage)
    extents: dict[Any, tuple[int, int]] = {}
    client = object.__new__(AsyncConsumer)
    client.known_extents = lambda: extents  # type: ignore[method-assign]
    consumer._thread = cast("HeartbeatThread", SimpleNamespace(_consumer=client))
    assert consumer.unread() == {}
    extents[place] = (0, 2)
    assert consumer.unread() == {_TP: 0}
    extents[place] = (2, 2)  # retention deleted what there was
    assert consumer.unread() == {}
    extents[place] = (0, 5)
    consumer._committed_offset[_TP] = 3
    assert consumer.unread() == {_TP: 3}
    stage.offsets[_TP].start(4)
    assert consumer.unread() == {}


@pytest.mark.parametrize("committed", [31, None])
def test_the_stock_consumer_commits_past_a_gap(committed: int | None) -> None:
    # 31 is in flight: it is the next offset to be read after a crash. 32 to 34 were faster.
    acked = [32, 33, 34]
    state: Any = SimpleNamespace(
        _acked={_TP: acked},
        _gap={_TP: IntervalTree()},
        _committed_offset={_TP: committed},
        _acked_index={_TP: set(acked)},
    )
    assert Consumer._new_offset(state, _TP) == 35, "record 31 would be lost"


def test_ours_does_not() -> None:
    offsets = OffsetTrackers()
    tracked = [offsets[_TP].start(offset) for offset in (31, 32, 33, 34)]
    for later in tracked[1:]:
        assert later is not None
        offsets[_TP].finish(later)
    consumer = _consumer(cast("Stage", SimpleNamespace(offsets=offsets)))
    assert consumer._new_offset(_TP) is None
    assert list(consumer._filter_tps_with_pending_acks()) == []
    assert tracked[0] is not None
    offsets[_TP].finish(tracked[0])
    assert consumer._new_offset(_TP) == 35
    assert list(consumer._filter_tps_with_pending_acks()) == [_TP]


def test_what_the_heartbeats_are_noted_with_is_there() -> None:
    heartbeat = GroupCoordinator._do_heartbeat
    assert inspect.iscoroutinefunction(heartbeat)
    assert list(inspect.signature(heartbeat).parameters) == ["self"]
    assert "await self._do_heartbeat()" in inspect.getsource(GroupCoordinator._heartbeat_routine)
    pushed = inspect.getsource(GroupCoordinator).count("await self._push_error_to_user(exc)")
    assert pushed == 2, "an error of a request, and one of the tasks that the coordinator runs"
    assert "_coordinator = GroupCoordinator(" in inspect.getsource(AIOKafkaConsumer.start)
    assert issubclass(HeartbeatThread, AIOKafkaConsumerThread)
