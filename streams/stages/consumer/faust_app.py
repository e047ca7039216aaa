"""faust-streaming bound to the stage harness: one app, and so one consumer group, for each stage.

faust owns the consumer, its group and its rebalances. ``stage_consumer.py`` says what of the
consumer is ours.
"""

import asyncio
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import Transport
from yarl import URL

from schemas.errors import BrokerError
from streams.kafka.connection.permissions import Permission, denial, reading
from streams.kafka.topics import Topic
from streams.settings import KafkaSettings
from streams.stages.consumer.readiness import Readiness
from streams.stages.consumer.stage_consumer import StageConsumer
from streams.stages.harness.stage import Stage

_MAX_POLL_GAP_SECONDS = 24 * 3600.0
"""A slow model pauses its partitions, which must not cost the assignment: heartbeats show life."""
_MAX_POLL_RECORDS = 500
_METADATA_SECONDS = 5.0
"""Age at which a consumer asks for its topic's partitions again.

aiokafka does so only then when a request has failed. A consumer that joined its group without
knowing the partitions, because connections were refused at its start, has none until then.
"""


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
        """Join the group and start reading. Raises BrokerError where Kafka cannot be reached."""
        self.app.finalize()
        try:
            await self.app.start()
        except KafkaError as error:
            raise BrokerError(self._explain(error)) from error

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
            error = self._consumer.ended if self._consumer else None
        if error is not None and (
            isinstance(error, KafkaError | asyncio.CancelledError)
            or denial(error, self._cluster, self._needed)
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
        consumer = self._consumer
        return (
            self.assigned
            and consumer is not None
            and bool(consumer._active_partitions)
            and not consumer.delivering
        )

    def look(self) -> str | None:
        """Note what is left unread. Returns what was for too long, and where reading stands."""
        self._readiness.look()
        left = self._readiness.left_unread
        if left is None or self._consumer is None or not self.assigned:
            return None
        return f"{left} ({self._consumer.describe()})"

    @property
    def _consumer(self) -> StageConsumer | None:
        consumer = self.app._consumer
        return consumer if isinstance(consumer, StageConsumer) else None

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
