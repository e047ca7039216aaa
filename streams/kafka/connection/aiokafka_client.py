"""aiokafka's connections: to a broker that is away, and on an event loop of uvloop.

aiokafka 0.14 tries again at once where an attempt to connect fails at once. A worker asked for
metadata 3,000 times a second while connections were refused, and authenticated 18 times a second
with a password that was refused.

A write to a connection that was just reset raises RuntimeError on uvloop. aiokafka expects OSError
only, so its tasks that fetch, that coordinate and that read metadata would end, some of them
without a log line.
"""

import asyncio
import time
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

from streams.backoff import Backoff

_BACKOFF = Backoff(0.1, 2.0)


class Connection(AIOKafkaConnection):
    """A connection whose ``send`` raises KafkaConnectionError where it was reset."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """See AIOKafkaConnection."""
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(
                f"the connection to {self.host}:{self.port} is broken: {error}"
            ) from error


class Client(AIOKafkaClient):
    """The client inside a consumer or a producer.

    It makes no attempt to connect to a node for a while after one has failed.
    """

    _failures: dict[Any, int]
    """Node to the number of failures in a row."""
    _not_before: dict[Any, float]
    """Node to the moment of the next attempt."""

    @classmethod
    def replace(cls, client: AIOKafkaClient) -> None:
        """Make a client one of these, before it is started."""
        client.__class__ = cls
        client._failures, client._not_before = {}, {}

    async def _get_conn(self, node_id: Any, **options: Any) -> Any:
        wait = self._not_before.get(node_id, 0.0) - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        connection = await super()._get_conn(node_id, **options)
        if connection is None:
            failures = self._failures[node_id] = self._failures.get(node_id, 0) + 1
            self._not_before[node_id] = time.monotonic() + _BACKOFF.after(failures)
        else:
            self._failures.pop(node_id, None)
            self._not_before.pop(node_id, None)
            connection.__class__ = Connection
        return connection
