"""The consumers of both client libraries, which read topics in one way: they return ``Received``.

Their own unpacking of record batches ends with an exception at what it cannot decode, and at every
start again. ``Fetched`` takes its place in their fetchers. What is overridden there is that of
aiokafka 0.14.0 and kafka-python 3.0.12; ``test_client_contract.py`` fails where an upgrade changes
it.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher as async_fetcher
from aiokafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest
from kafka import KafkaConsumer
from kafka.consumer import fetcher as sync_fetcher
from kafka.errors import KafkaTimeoutError as SyncKafkaTimeoutError

from streams.kafka.connection.aiokafka_client import Client
from streams.kafka.messages import Partition, Received
from streams.kafka.reading.fetched import Fetched, Gap, Restart

_SEEK_SECONDS = 60.0
_BACKOFF_MS = 10
"""Between two requests of kafka-python's consumer for metadata, of which the first is made when it
connects. It has no option for the 100 ms that it waits otherwise, for each topic that a command
reads.
"""
_SEEK_PAUSE_SECONDS = 0.1


class AsyncConsumer(AIOKafkaConsumer):
    """aiokafka's consumer. Topics are assigned or subscribed to after ``start``.

    aiokafka reads, coordinates and finds leaders in tasks. Where one of them ends with an error,
    the stock consumer waits for ever. Here ``getmany`` and ``position`` raise KafkaError.
    """

    gaps = False
    """Whether a ``Gap`` comes among the messages where the last offsets hold none, and a
    ``Restart`` where the log ended before what had been read of it.
    """

    async def start(self) -> None:
        """See AIOKafkaConsumer."""
        Client.replace(self._client)
        await super().start()
        # Made in there, and idle until there is an assignment.
        self._fetcher.__class__ = _AsyncFetcher
        self._fetcher.read_with(self.gaps)

    @property
    def ended(self) -> KafkaError | None:
        """Why nothing is read any more, though ``stop`` was not called, or None.

        May be read by any thread.
        """
        if self._closed:
            return None
        for task in self._tasks():
            if task.done():
                error = None if task.cancelled() else task.exception()
                cause = getattr(error, "__cause__", None) or error
                return KafkaError(f"a task of the Kafka client has ended: {cause!r}")
        return None

    def since_fetched(self) -> Mapping[TopicPartition, float | None]:
        """Seconds since a broker last answered for each partition of which messages are wanted.

        None where it has not since the partition was assigned. A partition whose messages are here
        and wait to be taken, or that is paused, is left out. May be called by any thread.
        """
        now = time.time()  # aiokafka's notes are of this clock
        return {
            place: None if state.timestamp is None else now - state.timestamp / 1000
            for place, state in self.states().items()
            if place not in self._fetcher._records and not state.paused
        }

    def known_extents(self) -> Mapping[TopicPartition, tuple[int, int]]:
        """Where reading of each assigned partition began, and what it is known to reach to.

        The beginning is that of the last reset, or 0. May be called by any thread.
        """
        committed = self._isolation_level == "read_committed"
        ends = {
            place: state.lso if committed and state.lso is not None else state.highwater
            for place, state in self.states().items()
        }
        return {
            place: (self._fetcher.starts.get(place, 0), end) for place, end in ends.items() if end
        }

    def states(self) -> Mapping[TopicPartition, Any]:
        """The notes of aiokafka on each assigned partition. May be called by any thread."""
        subscription = self._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if self._closed or assignment is None:
            return {}
        return {place: assignment.state_value(place) for place in assignment.tps}

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        """See AIOKafkaConsumer."""
        if (ended := self.ended) is not None:
            raise ended
        return await super().getmany(*partitions, **options)

    async def position(self, partition: TopicPartition) -> int:
        """See AIOKafkaConsumer."""
        found = asyncio.ensure_future(super().position(partition))
        try:
            await asyncio.wait([found, *self._tasks()], return_when=asyncio.FIRST_COMPLETED)
            if not found.done() and (ended := self.ended) is not None:
                raise ended
            return await found
        finally:
            found.cancel()

    async def seek_to_committed(
        self, *partitions: TopicPartition
    ) -> dict[TopicPartition, int | None]:
        """See AIOKafkaConsumer. A partition of which nothing is committed is read from its start.

        The stock consumer stays where it is in such a partition, and where offset 0 is committed,
        so that what was taken before is not read again. It also needs an assigned partition, and
        asks without end. Raises KafkaTimeoutError where no broker has answered for 60 s.
        """
        if not (partitions or self._subscription.assigned_partitions()):
            return {}
        try:
            async with asyncio.timeout(_SEEK_SECONDS):
                found: dict[TopicPartition, int | None] = await super().seek_to_committed(
                    *partitions
                )
        except TimeoutError as error:
            raise KafkaTimeoutError(
                f"the committed offsets could not be read for {_SEEK_SECONDS:.0f} s"
            ) from error
        for place, offset in found.items():
            if not offset and self._subscription.is_assigned(place):
                self._fetcher.request_offset_reset([place], self._fetcher._default_reset_strategy)
        return found

    def join_again(self) -> None:
        """Leave the present assignment and join the group again. On the loop of the consumer."""
        self._coordinator.request_rejoin()

    async def stop(self) -> None:
        """See AIOKafkaConsumer. The stock consumer leaves its connections where a task has ended.

        It raises the error of the task instead, which ``getmany`` has for those who read.
        """
        ended = self.ended
        try:
            await super().stop()
        except KafkaError:
            if ended is None:
                raise
            with contextlib.suppress(KafkaError):
                await self._fetcher.close()
            await self._client.close()

    def _tasks(self) -> Sequence["asyncio.Task[Any]"]:
        """Those that run from ``start`` to ``stop``."""
        tasks = (
            getattr(self._fetcher, "_fetch_task", None),
            getattr(self._coordinator, "_coordination_task", None),
            self._client._sync_task,
        )
        return [task for task in tasks if task is not None]


class Consumer(KafkaConsumer):
    """kafka-python's consumer."""

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._cluster.config["retry_backoff_ms"] = _BACKOFF_MS
        self._fetcher.__class__ = _SyncFetcher
        self._fetcher.suspects = {}

    def position(self, partition: TopicPartition, timeout_ms: float | None = None) -> int:
        """See KafkaConsumer. Raises KafkaTimeoutError where no broker has answered for 60 s.

        The stock consumer returns None while it does not know the offset.
        """
        deadline = time.monotonic() + _SEEK_SECONDS
        while (found := super().position(partition, timeout_ms)) is None:
            if time.monotonic() > deadline:
                raise SyncKafkaTimeoutError(
                    f"the offset of {partition.topic}/{partition.partition} could not be read for "
                    f"{_SEEK_SECONDS:.0f} s"
                )
            time.sleep(_SEEK_PAUSE_SECONDS)
        return int(found)


class _AsyncFetcher(async_fetcher.Fetcher):
    _client: "_FetchingClient"
    _gaps = False

    def read_with(self, gaps: bool) -> None:
        """Make what the methods here use."""
        self._client = _FetchingClient(self._client)
        self._suspects: dict[Partition, int] = {}
        self._gaps = gaps
        self._behind_end: dict[Partition, int] = {}
        """Positions that the broker refused. The position is set to the log's start then."""
        self.starts: dict[Partition, int] = {}
        """Positions that were set when there was none, or it was refused."""

    async def _update_fetch_positions(self, assignment: Any, node_id: int, tps: Any) -> bool:
        needs_wakeup: bool = await super()._update_fetch_positions(assignment, node_id, tps)
        for place in tps:
            state = assignment.state_value(place)
            if state.has_valid_position:
                self.starts[place] = state.position
        return needs_wakeup

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        try:
            has_new = await super()._proc_fetch_request(assignment, node_id, request)
        except asyncio.CancelledError:
            # The stock close cancels what waits to try again, and is ended by that itself.
            if not self._closed:
                raise
            return False
        finally:
            fetched = self._client.take(request)
        if self._gaps:
            self._note_refused(assignment, request, fetched)
        for place, (_, data) in fetched.items():
            result = self._records.get(place)
            if type(result) is async_fetcher.FetchResult:
                stock = result._partition_records
                if isinstance(stock, Fetched):  # an earlier request's; this one's was passed over
                    continue
                committed = stock._isolation_level == async_fetcher.READ_COMMITTED
                result._partition_records = Fetched(
                    place,
                    data,
                    stock.next_fetch_offset,
                    assignment.state_value(place).highwater,
                    self._suspects,
                    stock._aborted_transactions if committed else None,
                    self._gaps,
                    self._behind_end.pop(place, None),
                )
        return has_new

    def _note_refused(
        self, assignment: Any, request: Any, fetched: Mapping[TopicPartition, "_Answer"]
    ) -> None:
        for topic, partitions in request.topics:
            for partition, offset, _ in partitions:
                place = TopicPartition(topic, partition)
                error = fetched[place].error if place in fetched else None
                if (
                    error == OffsetOutOfRangeError.errno
                    and assignment.active
                    and assignment.state_value(place).awaiting_reset
                ):
                    self._behind_end[place] = offset


class _Answer(NamedTuple):
    """What a fetch brought of one partition."""

    error: int
    """Kafka's code, 0 for none."""
    data: bytes


class _FetchingClient:
    """The client of a fetcher, which remembers what was fetched until it is taken.

    aiokafka's fetcher hands the bytes to its decoder at once, which does not give them back.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._fetched: dict[int, dict[TopicPartition, _Answer]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        response = await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            self._fetched[id(request)] = {
                TopicPartition(topic, partition[0]): _Answer(partition[1], partition[-1])
                for topic, partitions in response.topics
                for partition in partitions
            }
        return response

    def take(self, request: Any) -> dict[TopicPartition, _Answer]:
        """What a request brought, by partition. Empty where it failed."""
        return self._fetched.pop(id(request), {})


class _SyncFetcher(sync_fetcher.Fetcher):
    suspects: dict[Partition, int]

    def _parse_fetched_data(self, completed_fetch: Any) -> Any:
        parsed = super()._parse_fetched_data(completed_fetch)
        if parsed is not None:
            data = completed_fetch.partition_data
            committed = self._isolation_level == sync_fetcher.IsolationLevel.READ_COMMITTED
            fetched = Fetched(
                parsed.topic_partition,
                data.records,
                parsed.fetch_offset,
                data.high_watermark,
                self.suspects,
                [(one.producer_id, one.first_offset) for one in data.aborted_transactions or ()]
                if committed
                else None,
            )
            parsed.record_iterator = _take(fetched, parsed)
        return parsed


def _take(fetched: Fetched, parsed: Any) -> Iterator[Received | Gap | Restart]:
    """The messages, with the fetcher's record of them kept as its own iterator does."""
    for message in fetched:
        parsed.records_read += 1
        parsed.bytes_read += 1  # only whether there are any matters
        parsed.next_fetch_offset = fetched.next_fetch_offset
        parsed.leader_epoch = fetched.leader_epoch
        yield message
    parsed.next_fetch_offset = fetched.next_fetch_offset
    parsed.leader_epoch = fetched.leader_epoch
    parsed.drain()
