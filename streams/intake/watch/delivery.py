"""Sending the documents of watched sources, so that each is on the topic once.

A producer that is killed, or that loses its broker, may have written what it does not know to be
written. So the ends of the topic are written down before anything is sent. Where documents were
sent and not acknowledged, the topic is read from there on: what is found was written.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from schemas.errors import BrokerError, WireError
from schemas.records import Document
from schemas.wire import MAX_BYTES, encode, headers_for
from streams.intake.watch.fed import Fed
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import denial, describing, writing
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DOCUMENTS
from streams.kafka.writing.bounded_producer import end
from streams.observe.lag import places_of

_DELIVERY_MS = 20_000


class Sent(NamedTuple):
    """What became of documents."""

    documents: int
    bytes: int
    refused: list[str]
    """Errors of those that are too large to be written."""


class Delivery:
    """One producer for all sources. Use as a context manager. May be used by several threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._topic = cluster.topic(DOCUMENTS)
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._admin: KafkaAdminClient | None = None

    def __enter__(self) -> "Delivery":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def cluster_id(self) -> str:
        """The id of the Kafka cluster. Raises BrokerError."""
        with self._lock, kafka_errors("the cluster cannot be described", self._cluster):
            return str(self._administrator().describe_cluster()["cluster_id"])

    def send(self, fed: Fed, documents: Sequence[Document]) -> Sent:
        """Write documents, wait for the broker, and note them as fed.

        Raises BrokerError where it does not acknowledge them; ``recover`` then finds out which were
        written.
        """
        values: dict[str, bytes] = {}
        refused = []
        for document in documents:
            try:
                values[document.id] = encode(document)
            except WireError as error:
                refused.append(f"{document.source}: {error}")
        if values:
            with self._lock:
                try:
                    fed.begin(self._ends())
                    self._write(values)
                except BaseException:
                    self._close()
                    raise
                fed.finish(values)
        return Sent(len(values), sum(map(len, values.values())), refused)

    def recover(self, fed: Fed) -> int | None:
        """Note what an earlier ``send`` has written without knowing it.

        Returns how many documents were found, or None where nothing had to be looked for. Raises
        BrokerError.
        """
        starts = fed.unfinished()
        if not starts:
            return None
        # Committed or not: what follows an open transaction counts too.
        received = replay(self._cluster, DOCUMENTS, "read_uncommitted", starts=starts)
        found = {one.key.decode("utf-8", "replace") for one in received if one.key}
        fed.finish(found)
        return len(found)

    def _write(self, values: dict[str, bytes]) -> None:
        what = f"the broker did not take what was written to {self._topic}"
        with kafka_errors(what, self._cluster, writing(self._topic)):
            producer = self._connected()
            headers = headers_for(Document)
            sent = [
                producer.send(self._topic, value, id.encode(), headers=headers)
                for id, value in values.items()
            ]
            producer.flush(timeout=_DELIVERY_MS / 1000)  # has no limit of its own
            for one in sent:
                try:
                    one.get(0)
                except KafkaError as error:
                    denied = denial(error, self._cluster, [writing(self._topic)])
                    raise BrokerError(f"{what}: {denied or error}") from error

    def _ends(self) -> dict[int, int]:
        """The next offset of each partition of the topic."""
        what = f"the ends of {self._topic} cannot be read"
        with kafka_errors(what, self._cluster, describing("topic", self._topic)):
            admin = self._administrator()
            places = places_of(admin, self._cluster, [DOCUMENTS])
            found = admin.list_partition_offsets(
                dict.fromkeys(places, OffsetSpec.LATEST), isolation_level="read_uncommitted"
            )
        return {place.partition: one.offset for place, one in found.items()}

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = connect(
                KafkaProducer,
                self._cluster,
                acks="all",
                linger_ms=5,
                max_request_size=2 * MAX_BYTES,
                delivery_timeout_ms=_DELIVERY_MS,
                max_block_ms=_DELIVERY_MS,
                request_timeout_ms=_DELIVERY_MS // 2,
            )
        return self._producer

    def _administrator(self) -> KafkaAdminClient:
        if self._admin is None:
            self._admin = connect(KafkaAdminClient, self._cluster)
        return self._admin

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        admin, self._admin = self._admin, None
        if producer is not None:
            end(producer)
        with contextlib.suppress(KafkaError):
            if admin is not None:
                admin.close()
