"""Connecting the clients of kafka-python and aiokafka, and their errors as BrokerError."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError as AioKafkaError
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
)
from kafka.net.compat import KafkaNetClient

from schemas.errors import BrokerError, BrokerUnavailable
from streams.kafka.cluster import Cluster
from streams.kafka.connection.diagnosis import diagnose
from streams.kafka.connection.permissions import Permission, denial

Client = TypeVar("Client")
_PATIENCE_MS = (1_000, 9_000)
"""How long a broker may take to answer for the first time. Between the two, what will not change by
waiting is looked for.
"""
_LOST = (
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
)
"""Errors of kafka-python where a connection is lost, or was never made: bootstrapping uses another
one.
"""
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


def connect(make: Callable[..., Client], cluster: Cluster, **options: Any) -> Client:
    """A client of kafka-python that has reached the cluster.

    Raises BrokerUnavailable where that may be different later, and BrokerError where the connection
    settings, the user or a certificate is wrong. The message says which.
    """
    found: BrokerError | None = None
    failure: Exception | None = None
    for patience in _PATIENCE_MS:
        opened: list[KafkaNetClient] = []

        def network(opened: list[KafkaNetClient] = opened, **config: Any) -> KafkaNetClient:
            opened.append(KafkaNetClient(**config))
            return opened[-1]

        try:
            return make(
                **cluster.client, **options, kafka_client=network, bootstrap_timeout_ms=patience
            )
        except (KafkaError, ValueError, OSError) as error:
            # The client has a thread already, and cannot be closed, because it was never made.
            for network_client in opened:
                network_client.close()
            failure, found = error, found or diagnose(cluster)
            if found is not None and not isinstance(found, BrokerUnavailable):
                break
    assert failure is not None
    raise unreachable(cluster, failure, found) from failure


async def start(client: AIOKafkaConsumer | AIOKafkaProducer, cluster: Cluster) -> None:
    """Start a client of aiokafka. Raises as ``connect`` does."""
    try:
        async with asyncio.timeout(_START_SECONDS):
            await client.start()
    except (AioKafkaError, OSError) as error:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await client.stop()
        found = await asyncio.to_thread(diagnose, cluster)
        raise unreachable(cluster, error, found) from error


def unreachable(
    cluster: Cluster, error: Exception, found: BrokerError | None = None
) -> BrokerError:
    """What to raise where a client could not be connected."""
    if denied := denial(error, cluster, [Permission("Write", "topics", "that it writes to")]):
        return BrokerError(f"no connection to Kafka: {denied}")
    if found is None:
        return BrokerUnavailable(
            f"no Kafka at {cluster.address}: {error}. Is it running, and is the address right?"
        )
    return type(found)(f"no connection to Kafka: {found}")


@contextmanager
def kafka_errors(what: str, cluster: Cluster, *needed: Permission) -> Iterator[None]:
    """Raise BrokerError, beginning with ``what`` could not be done, for an error of the clients.

    Where the broker does not allow it, the message names the user and the permissions ``needed``.
    Where kafka-python lost the connection, it says why: blocks meanwhile.
    """
    try:
        yield
    except AioKafkaError as error:
        raise BrokerError(f"{what}: {denial(error, cluster, needed) or error}") from error
    except KafkaError as error:
        reason = denial(error, cluster, needed)
        if reason is None and isinstance(error, _LOST) and (found := diagnose(cluster)):
            reason = str(found)
        raise BrokerError(f"{what}: {reason or error}") from error
