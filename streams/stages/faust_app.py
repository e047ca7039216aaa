"""faust-streaming, bound to the stage harness: one app, and so one consumer group, for each stage.

What is ours: nothing is acknowledged through faust. The consumer commits what the gates say, waits
for the stage where faust would wait for its own acknowledgements, and forgets a partition's gate
when the partition is revoked or assigned anew. The overridden methods are those of faust-streaming
0.15.3; tests/unit/test_faust_contract.py notices an upgrade.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import faust
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from yarl import URL

from streams.kafka.messages import Received
from streams.kafka.topics import Topic
from streams.settings import KafkaSettings
from streams.stages.offsets import Gates
from streams.stages.stage import Stage

_LONGEST_POLL_GAP = 24 * 3600.0
"""Seconds. A slow model pauses its partitions; that must not cost the assignment. Liveness is the
heartbeat's matter.
"""


def gated_transport(stage: Stage, gates: Gates, drain_seconds: float) -> type[Transport]:
    """Faust's Kafka transport with a consumer that commits what ``gates`` passed."""

    class GatedConsumer(Consumer):
        def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
            return (TP(*partition) for partition in gates.committable())

        def _new_offset(self, tp: TP) -> int | None:
            return gates[tp].committable

        async def wait_empty(self) -> None:
            await stage.wait_idle(drain_seconds)
            await self.commit_and_end_transactions()

        async def on_partitions_revoked(self, revoked: set[TP]) -> None:
            await super().on_partitions_revoked(revoked)
            _forget(revoked)

        async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
            _forget(assigned)
            await super().on_partitions_assigned(assigned, generation_id)

    def _forget(partitions: Iterable[TP]) -> None:
        gates.revoke({(tp.topic, tp.partition) for tp in partitions})
        stage.revoke({tp.partition for tp in partitions})

    class GatedTransport(Transport):
        pass

    GatedTransport.Consumer = GatedConsumer  # type: ignore[misc]
    return GatedTransport


class _App(faust.App):
    def _create_directories(self) -> None:
        """None: the tables that they would hold are not used."""


class StageApp:
    """A stage reading its topic in its own consumer group. ``failed`` is done, with the error,
    should faust crash.
    """

    def __init__(
        self,
        stage: Stage,
        topic: Topic,
        gates: Gates,
        kafka: KafkaSettings,
        group: str | None = None,
    ) -> None:
        """``group`` is by default that of the stage's name."""
        self.stage = stage
        cluster = kafka.cluster()
        self.group = group or cluster.consumer_group(stage.name)
        self._kafka = kafka
        loop = asyncio.get_running_loop()
        broker = [URL(f"aiokafka://{address}") for address in kafka.bootstrap_servers.split(",")]
        self.app = _App(
            self.group,
            broker=broker,
            broker_credentials=_credentials(kafka),
            loop=loop,
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            reply_create_topic=False,
            store="memory://",
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=True,
            stream_buffer_maxsize=2 * kafka.in_flight,
            broker_commit_interval=kafka.commit_seconds,
            broker_session_timeout=kafka.session_seconds,
            broker_heartbeat_interval=max(0.3, kafka.session_seconds / 10),
            broker_rebalance_timeout=kafka.rebalance_seconds,
            broker_max_poll_interval=_LONGEST_POLL_GAP,
            broker_max_poll_records=500,
            logging_config=None,
        )
        transport = gated_transport(stage, gates, kafka.rebalance_seconds / 2)
        self.app.transport = transport(broker, self.app)
        source = self.app.topic(
            cluster.topic(topic),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            acks=False,
        )
        source.allow_empty = True  # a null value is the stage's to judge
        self.app.agent(source, name=stage.name)(self._run)

    async def start(self) -> None:
        """Join the group and start reading."""
        self.app.finalize()
        await self.app.start()

    async def stop(self, drain_seconds: float) -> bool:
        """Drain, commit, leave the group. False where records in flight were given up (they come
        again).
        """
        drained = await self.stage.drain(drain_seconds)
        if not drained:
            await self.stage.cancel()
        await self.app.stop()
        return drained

    @property
    def crash_reason(self) -> BaseException | None:
        """The error that ended the app, if one did."""
        return self.app.crash_reason if self.app.crashed else None

    @property
    def assigned(self) -> bool:
        """Whether the consumer has its partitions (perhaps none) and reads."""
        return self.app.consumer_generation_id > 0 and not self.app.rebalancing

    async def _run(self, stream: Any) -> None:
        events = stream.noack().events()
        stage = self.stage
        while True:
            await stage.ready()
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
            message = event.message
            headers = message.headers
            if isinstance(headers, Mapping):
                headers = list(headers.items())
            await stage.accept(
                Received(
                    message.topic,
                    message.partition,
                    message.offset,
                    message.key,
                    message.value,
                    headers or (),
                )
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
