"""Whether the trainer reaches a broker, also while it trains."""

import contextlib
import threading
import time

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.errors import BackstreamError
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect
from streams.kafka.topics import CURATED

_ASK_SECONDS = 2.0
_TIMEOUT_MS = 3_000
_SILENT_SECONDS = 8.0


class BrokerProbe:
    """Requests the partitions of ``curated`` every 2 s, on a thread. Use as a context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._topic = cluster.topic(CURATED)
        self._answered = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="broker probe", daemon=True)

    def __enter__(self) -> "BrokerProbe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()  # not joined: it may be waiting for a broker

    @property
    def not_ready(self) -> str | None:
        """Why there is no broker, or None."""
        silent = time.monotonic() - self._answered
        return f"no broker has answered for {silent:.0f} s" if silent > _SILENT_SECONDS else None

    def _ask(self) -> None:
        while not self._stopped.is_set():
            with (
                contextlib.suppress(KafkaError, BackstreamError, OSError),
                connect(KafkaAdminClient, self._cluster, request_timeout_ms=_TIMEOUT_MS) as admin,
            ):
                while not self._stopped.is_set():
                    admin.describe_topics([self._topic])
                    self._answered = time.monotonic()
                    self._stopped.wait(_ASK_SECONDS)
            self._stopped.wait(_ASK_SECONDS)
