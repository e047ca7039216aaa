"""Connecting the clients of kafka-python and aiokafka, and their errors as BrokerError."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError as AioKafkaError
from kafka.errors import KafkaError

from schemas.errors import BrokerError, BrokerUnavailable
from streams.kafka.cluster import Cluster

Client = TypeVar("Client")
CONNECT_TIMEOUT_MS = 10_000
"""How long a broker may take to answer for the first time."""


def connect(make: Callable[..., Client], cluster: Cluster, **options: Any) -> Client:
    """A client of kafka-python that has reached the cluster. Raises BrokerUnavailable."""
    try:
        return make(**cluster.client, **options, bootstrap_timeout_ms=CONNECT_TIMEOUT_MS)
    except (KafkaError, ValueError) as error:  # ValueError: the address is none
        raise unreachable(cluster, error) from error


async def start(client: AIOKafkaConsumer | AIOKafkaProducer, cluster: Cluster) -> None:
    """Start a client of aiokafka. Raises BrokerUnavailable where it cannot reach the cluster."""
    try:
        await client.start()
    except AioKafkaError as error:
        await client.stop()
        raise unreachable(cluster, error) from error


def unreachable(cluster: Cluster, error: Exception) -> BrokerUnavailable:
    """What to raise where no broker of a cluster answers."""
    return BrokerUnavailable(
        f"no Kafka at {cluster.address}: {error}. Is it running, and is the address right?"
    )


@contextmanager
def kafka_errors(what: str) -> Iterator[None]:
    """Raise BrokerError, beginning with ``what`` could not be done, for an error of the clients."""
    try:
        yield
    except (KafkaError, AioKafkaError) as error:
        raise BrokerError(f"{what}: {error}") from error
