"""The consumer of a stage: faust's, which gives what it fetches to the stage.

* Fetched records are handed over batch by batch. faust's own path through a stream creates two
  tasks, a message and an event for every record, which is most of the cost of a hop
  (``docs/decisions/``).
* Nothing is acknowledged through faust: the consumer commits what the stage's offset trackers
  allow, and drops a tracker when its partition is revoked or assigned again.
* aiokafka's consumer, which faust makes, is our subclass that reads what it cannot decode
  (``streams/kafka/reading/consumers.py``).
* Before a rebalance the consumer waits for the stage instead of for faust's acknowledgements.
* A rebalance during the stop leaves the consumer to its own thread.
* A broker that goes away between two steps ends nothing: a commit that a rebalance has made void is
  passed over, a seek that fails is followed by another rebalance, and what the consumer's thread
  cancels is asked again. faust ends the app in these cases, or does not go on.

The overridden methods are those of faust-streaming 0.15.3; ``test_faust_contract.py`` fails where
an upgrade changes them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import Cancelled, IllegalStateError, KafkaError
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP

from streams.kafka.messages import Received
from streams.kafka.reading.consumers import AsyncConsumer
from streams.kafka.reading.fetched import Gap, Restart
from streams.stages.consumer.readiness import HeartbeatThread, Readiness
from streams.stages.harness.deleted_unread import DeletedUnread
from streams.stages.harness.stage import Stage

log = logging.getLogger(__name__)
_FETCH_SECONDS = 1.0
_RETRY_SECONDS = 1.0


class _StageClient(AsyncConsumer):
    gaps = True


class _StageConsumerThread(HeartbeatThread):
    """The thread in which faust runs aiokafka's consumer."""

    consumer: "StageConsumer"

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> AIOKafkaConsumer:
        consumer = super()._create_consumer(loop)
        # faust makes it from its own settings, and reads committed messages only to write in
        # transactions. Nothing was started yet.
        consumer.__class__ = _StageClient
        consumer._isolation_level = self.consumer.isolation
        return consumer

    def close(self) -> None:
        """Do nothing: ``on_thread_stop`` closes the consumer, on the event loop of this thread.

        faust calls this where partitions are revoked or assigned while the app stops. The stock
        method closes the connections and leaves the group on the event loop of the app, while this
        thread uses both: uvloop then ends the process with SIGSEGV, or the stop never ends.
        """

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """See QueueServiceThread. Raises Cancelled where the call was cancelled in the thread.

        The caller would take a CancelledError for a cancellation of its own, and end.
        """
        try:
            return await super().call_thread(fun, *args, **kwargs)
        except asyncio.CancelledError as error:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            raise Cancelled(f"{fun.__name__} was cancelled in the consumer's thread") from error

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """See AIOKafkaConsumerThread. False where the partitions are not assigned any more.

        The stock thread ends the app where a rebalance took them since they were looked at.
        """
        assigned = self.assignment()
        return bool(assigned.intersection(offsets)) and await super()._commit(offsets)


class StageConsumer(Consumer):
    """faust's consumer, delivering to one stage and committing what its trackers allow."""

    _thread: HeartbeatThread

    def __init__(
        self,
        transport: Transport,
        *,
        stage: Stage,
        isolation: str,
        readiness: Readiness,
        drain_seconds: float,
        **options: Any,
    ) -> None:
        """``drain_seconds`` is how long a rebalance waits for records in flight."""
        self.isolation = isolation
        super().__init__(transport, **options)
        self.delivering = False
        """Whether fetched records are given to the stage."""
        self._stage = stage
        self._readiness = self._thread.readiness = readiness
        readiness.unread = self.unread
        self._drain_seconds = drain_seconds

    def _new_consumer_thread(self) -> _StageConsumerThread:
        return _StageConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def ended(self) -> KafkaError | None:
        """See AsyncConsumer. None before the start."""
        return self._client.ended if self._client else None

    @property
    def _client(self) -> AsyncConsumer | None:
        client = self._thread._consumer
        return client if isinstance(client, AsyncConsumer) else None

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: ``Readiness`` sees a stage that stalls.

        The stock method logs that faust's own streams are slow, of which there are none, and fails
        an assertion, which ends the app, at a partition without a position: one that was assigned
        while the broker was about to go away.
        """

    def unread(self) -> Mapping[TP, int]:
        """The next offset that the stage is to be given of each partition that has more messages.

        May be called by any thread.
        """
        found = {}
        for place, (start, end) in self._client.known_extents().items() if self._client else ():
            tracker = self._stage.offsets.get(place)
            started = tracker.next_offset if tracker is not None else None
            reached = max(start, started or 0, self._committed_offset.get(place) or 0)
            if end > reached:
                found[TP(*place)] = reached
        return found

    def describe(self) -> str:
        """Where reading stands, for the log."""
        partitions = [
            f"{tp.topic}/{tp.partition} at {state.position if state.has_valid_position else None} "
            f"of {state.highwater}, "
            f"committed {self._committed_offset.get(tp)}, "
            f"{'' if tp in self._active_partitions else 'not '}wanted"
            for tp, state in (self._client.states() if self._client else {}).items()
        ]
        return (
            f"generation {self.app.consumer_generation_id}, delivering {self.delivering}, "
            f"flow {self.flow_active}, in flight {self._stage.in_flight}; " + "; ".join(partitions)
        )

    async def _drain_messages(self, fetcher: Any) -> None:
        """Deliver what is fetched until the consumer or its fetcher stops."""
        self.delivering = True
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)  # a fetch that finds records returns without yielding
                try:
                    records, _ = await self._wait_next_records(_FETCH_SECONDS)
                except Cancelled as error:
                    log.warning("%s: %s; reading again", self._stage.name, error)
                    await self._read_again()
                    continue
                if records and not await self._deliver(records):
                    await self._read_again()
        except (*self.consumer_stopped_errors, asyncio.CancelledError) as error:
            if not self.app.should_stop:
                log.warning("%s: nothing is delivered any more: %r", self._stage.name, error)
                raise
        finally:
            self.delivering = False

    async def perform_seek(self) -> None:
        """See faust's Consumer. Where it fails, the group is joined again, and that seeks again.

        faust waits for another rebalance after IllegalStateError. Any other error would end the
        app, and after 90 s without an answer it would never seek again.
        """
        try:
            await super().perform_seek()
        except IllegalStateError:
            raise
        except KafkaError as error:
            log.warning("%s: %s; joining its group again", self._stage.name, error)
            if self._client is not None:
                self._thread.thread_loop.call_soon_threadsafe(self._client.join_again)
            raise IllegalStateError(str(error)) from error

    async def _deliver(self, records: Mapping[TP, list[Received | Gap | Restart]]) -> bool:
        """Give records to the stage, partitions in turn. False where a rebalance came between."""
        stage, generation = self._stage, self.app.consumer_generation_id
        try:
            deleted = await self._deleted_before(records)
        except KafkaError:
            return False
        for tp, record in self.scheduler.iterate(records):
            if not stage.has_room:
                await stage.wait_for_room()
            # No await from here to the tracker: the record must not enter a later assignment's.
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return False
            if tp in deleted:
                stage.note_deleted(deleted.pop(tp))
            if isinstance(record, Restart):
                self._begin_again(tp, record)
                continue
            if isinstance(record, Gap):
                self._finish_gap(tp, record)
            else:
                self._readiness.accepted()
                await stage.accept(record)
            self._read_offset[tp] = record.offset
        return True

    async def _read_again(self) -> None:
        """Go on from what was committed: records were fetched and not delivered.

        Those that are in flight are told apart by their offsets.
        """
        while not self.should_stop:
            try:
                await super().perform_seek()
                return
            except IllegalStateError:  # a partition was revoked; what is assigned next is sought
                return
            except KafkaError as error:
                name = self._stage.name
                log.warning("%s: no committed offsets: %s; trying again", name, error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _deleted_before(
        self, records: Mapping[TP, list[Received | Gap | Restart]]
    ) -> dict[TP, DeletedUnread]:
        """What retention deleted between what was read before and what was fetched now."""
        found = {}
        for tp, fetched in records.items():
            tracker = self._stage.offsets.get(tp)
            following = tracker.next_offset if tracker is not None else None
            if following is None:
                following = self._committed_offset.get(tp)
            if following is None or not fetched or fetched[0].offset <= following:
                continue
            # Most gaps are markers of transactions.
            end = min((await self.earliest_offsets(tp))[tp], fetched[0].offset)
            if end > following:
                found[tp] = DeletedUnread(
                    self._stage.name, tp.topic, tp.partition, following, end - following
                )
        return found

    def _finish_gap(self, tp: TP, gap: Gap) -> None:
        """Let offsets that hold no message be committed, once all before them may be."""
        tracker = self._stage.offsets[tp]
        tracked = tracker.start(gap.offset)
        if tracked is not None:
            tracker.finish(tracked)

    def _begin_again(self, tp: TP, restart: Restart) -> None:
        """Let lower offsets be processed and committed than before: they hold other messages."""
        log.error(
            "%s: %s/%d ends before offset %d, from which it was to be read: was its log lost, or "
            "the topic deleted and created again? It is read from offset %d",
            self._stage.name,
            *tp,
            restart.read_until,
            restart.offset,
        )
        self._forget({tp})
        self._committed_offset[tp] = None

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (TP(*partition) for partition in self._stage.offsets.committable())

    def _new_offset(self, tp: TP) -> int | None:
        return self._stage.offsets[tp].committable

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        with self._readiness.committing():
            try:
                done = await super()._commit(offsets)
            except Cancelled as error:  # faust would end the app
                log.warning("%s: %s; committing again later", self._stage.name, error)
                return False
        if done:
            committed = {**self._committed_offset, **offsets}
            self._readiness.committed(self._stage.offsets.exceed(committed))
        return done

    async def wait_empty(self) -> None:
        """See faust's Consumer: called before partitions are revoked and at shutdown."""
        await self._stage.wait_idle(self._drain_seconds)
        await self.commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """See faust's Consumer."""
        await super().on_partitions_revoked(revoked)
        self._forget(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """See faust's Consumer."""
        self._forget(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    def _forget(self, partitions: Iterable[TP]) -> None:
        self._stage.revoke({(tp.topic, tp.partition) for tp in partitions})
        self._readiness.forgotten()
