"""kafka-python's producer, which ends and waits in bounded time where a broker is away.

Its own ``flush`` does not return then. Its ``close`` waits for that, or raises and leaves the
sending thread behind, which would write when the broker is back.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect

_CLOSE_SECONDS = 60.0
"""Dropping what is not written takes a checksum of it, some seconds for 32 MB."""
_FLUSH_SECONDS = 5.0
"""Between two looks at whether something was acknowledged."""


@contextlib.contextmanager
def bounded_producer(cluster: Cluster, **options: Any) -> Iterator[KafkaProducer]:
    """A producer. On an error, what it has not written is dropped. Raises as ``connect`` does."""
    producer = connect(KafkaProducer, cluster, **options)
    try:
        yield producer
    finally:
        end(producer)


def end(producer: KafkaProducer) -> None:
    """End a producer and drop what it has not written."""
    sender = producer._sender
    if sender is not None:
        sender.force_close()
        sender.join(_CLOSE_SECONDS)
    with contextlib.suppress(KafkaError):
        producer.close(timeout=0)


def flush(
    producer: KafkaProducer,
    acknowledged: Callable[[], int],
    seconds: float,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until everything is acknowledged, or has failed.

    ``acknowledged`` counts messages. Raises KafkaTimeoutError where it has not grown for
    ``seconds``.
    """
    count, since = acknowledged(), now()
    while True:
        try:
            producer.flush(timeout=min(_FLUSH_SECONDS, seconds))
            return
        except KafkaTimeoutError:
            if acknowledged() > count:
                count, since = acknowledged(), now()
            elif now() - since >= seconds:
                raise
