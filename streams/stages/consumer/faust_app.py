"""faust-streaming bound to the stage harness: one app, and so one consumer group, for each stage.

faust owns the consumer, its group and its rebalances. Four things are ours:

* The consumer hands fetched records to the stage batch by batch. faust's own path through a stream
  creates two tasks, a message and an event for every record, which is most of the cost of a hop
  (``docs/decisions/``).
* Nothing is acknowledged through faust: the consumer commits what the stage's offset trackers
  allow, and drops a tracker when its partition is revoked or assigned again.
* aiokafka's consumer, which faust makes, is our subclass that reads what it cannot decode
  (``streams/kafka/reading/consumers.py``).
* Before a rebalance the consumer waits for the stage instead of for faust's acknowledgements.

The overridden methods are those of faust-streaming 0.15.3; ``test_faust_contract.py`` fails where
an upgrade changes them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from yarl import URL

from schemas.errors import BrokerError
from streams.kafka.connection.permissions import Permission, denial, reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import AsyncConsumer
from streams.kafka.reading.fetched import Gap, Restart
from streams.kafka.topics import Topic
from streams.settings import KafkaSettings
from streams.stages.consumer.readiness import HeartbeatThread, Readiness
from streams.stages.harness.deleted_unread import DeletedUnread
from streams.stages.harness.stage import Stage

log = logging.getLogger(__name__)
_MAX_POLL_GAP_SECONDS = 24 * 3600.0
"""A slow model pauses its partitions, which must not cost the assignment: heartbeats show life."""
_FETCH_SECONDS = 1.0
_MAX_POLL_RECORDS = 500
_METADATA_SECONDS = 5.0
"""Age at which a consumer asks for its topic's partitions again.

aiokafka does so only then when a request has failed. A consumer that joined its group without
knowing the partitions, because connections were refused at its start, has none until then.
"""


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
        self._drain_seconds = drain_seconds

    def _new_consumer_thread(self) -> _StageConsumerThread:
        return _StageConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def ended(self) -> KafkaError | None:
        """See AsyncConsumer. None before the start."""
        client = self._thread._consumer
        return client.ended if isinstance(client, AsyncConsumer) else None

    async def _drain_messages(self, fetcher: Any) -> None:
        """Deliver what is fetched until the consumer or its fetcher stops."""
        self.delivering = True
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)  # a fetch that finds records returns without yielding
                records, _ = await self._wait_next_records(_FETCH_SECONDS)
                if records and not await self._deliver(records):
                    # Some were fetched and not delivered: read on from what was committed. Those
                    # that are in flight are told apart by their offsets.
                    with contextlib.suppress(Exception):  # in a rebalance, which seeks by itself
                        await self.perform_seek()
        except (*self.consumer_stopped_errors, asyncio.CancelledError) as error:
            if not self.app.should_stop:
                log.warning("%s: nothing is delivered any more: %r", self._stage.name, error)
                raise
        finally:
            self.delivering = False

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
            done = await super()._commit(offsets)
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


class StageTransport(Transport):
    """faust's Kafka transport, making a ``StageConsumer``."""

    def __init__(
        self,
        urls: list[URL],
        app: faust.App,
        *,
        stage: Stage,
        isolation: str,
        readiness: Readiness,
        drain_seconds: float,
    ) -> None:
        super().__init__(urls, app)
        self._stage = stage
        self._isolation = isolation
        self._readiness = readiness
        self._drain_seconds = drain_seconds

    def create_consumer(self, callback: Any, **options: Any) -> StageConsumer:
        """See faust's Transport."""
        return StageConsumer(
            self,
            stage=self._stage,
            isolation=self._isolation,
            readiness=self._readiness,
            drain_seconds=self._drain_seconds,
            callback=callback,
            loop=self.loop,
            **options,
        )


class _App(faust.App):
    def _create_directories(self) -> None:
        """Create none: the tables that they would hold are not used."""


class StageApp:
    """A stage reading its topic in its own consumer group."""

    def __init__(
        self, stage: Stage, topic: Topic, kafka: KafkaSettings, group: str | None = None
    ) -> None:
        """``group`` is by default that of the stage's name."""
        self.stage = stage
        cluster = kafka.cluster()
        self.group = group or cluster.consumer_group(stage.name)
        self._cluster = cluster
        self._needed = (
            reading(cluster.topic(topic)),
            Permission("Read", "group", self.group),
        )
        broker = [URL(f"aiokafka://{address}") for address in kafka.bootstrap_servers.split(",")]
        self.app = _App(
            self.group,
            broker=broker,
            broker_credentials=_credentials(kafka),
            loop=asyncio.get_running_loop(),
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            reply_create_topic=False,
            store="memory://",
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=True,
            broker_commit_interval=kafka.commit_seconds,
            broker_session_timeout=kafka.session_seconds,
            broker_heartbeat_interval=max(0.3, kafka.session_seconds / 10),
            broker_rebalance_timeout=kafka.rebalance_seconds,
            broker_max_poll_interval=_MAX_POLL_GAP_SECONDS,
            broker_max_poll_records=_MAX_POLL_RECORDS,
            consumer_metadata_max_age_ms=int(_METADATA_SECONDS * 1000),
            logging_config=None,
        )
        self._readiness = Readiness(
            kafka.session_seconds, kafka.stalled_seconds, lambda: stage.in_flight, self._explain
        )
        self.app.transport = StageTransport(
            broker,
            self.app,
            stage=stage,
            isolation=kafka.isolation_level,
            readiness=self._readiness,
            drain_seconds=kafka.rebalance_seconds / 2,
        )
        # The conductor subscribes the consumer to it; no stream reads it.
        self.app.topics.add(
            self.app.topic(cluster.topic(topic), value_serializer="raw", acks=False)
        )

    async def start(self) -> None:
        """Join the group and start reading."""
        self.app.finalize()
        await self.app.start()

    async def stop(self, drain_seconds: float) -> bool:
        """Drain, commit, leave the group.

        False where records in flight were abandoned; they are delivered again at the next start.
        """
        drained = await self.stage.drain(drain_seconds)
        if not drained:
            await self.stage.cancel()
        await self.app.stop()
        return drained

    @property
    def crash_reason(self) -> BaseException | None:
        """The error that ended the app, if one did."""
        error = self.app.crash_reason if self.app.crashed else None
        if error is None:
            consumer = self.app._consumer
            error = consumer.ended if isinstance(consumer, StageConsumer) else None
        if error is not None and (
            isinstance(error, KafkaError) or denial(error, self._cluster, self._needed)
        ):
            return BrokerError(self._explain(error))
        return error

    @property
    def refusal(self) -> str | None:
        """Why its consumer group cannot be used, or None. May be read by any thread."""
        return self._readiness.refusal

    def _explain(self, error: BaseException) -> str:
        denied = denial(error, self._cluster, self._needed)
        return f"its topic cannot be read: {denied or error}"

    @property
    def stopped_delivering(self) -> bool:
        """Whether the consumer has partitions outside of a rebalance, and delivers nothing of them.

        faust ends the task that fetches where a rebalance cancels it at a wrong moment (seen with
        0.15.3, two workers and connections that were reset), and does not begin it again.
        """
        consumer = self.app._consumer
        return (
            self.assigned
            and isinstance(consumer, StageConsumer)
            and bool(consumer._active_partitions)
            and not consumer.delivering
        )

    @property
    def assigned(self) -> bool:
        """Whether the consumer has its partitions, perhaps none, and reads."""
        return self.app.consumer_generation_id > 0 and not self.app.rebalancing

    @property
    def is_silent(self) -> bool:
        """Whether no broker answers the consumer. May be read by any thread."""
        return self._readiness.is_silent

    @property
    def not_ready(self) -> str | None:
        """Why the stage is not ready, or None. May be read by any thread."""
        if self.stage.unavailable is not None:
            return self.stage.unavailable
        return self._readiness.not_ready or (
            None if self.assigned else "its consumer group is assigning the partitions"
        )


def _credentials(kafka: KafkaSettings) -> Any:
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = kafka.ssl_context()
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        mechanism=kafka.sasl_mechanism,
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        ssl_context=context,
    )
