"""aiokafka's connections, on an event loop of uvloop.

A write to a connection that was just reset raises RuntimeError there. aiokafka 0.14 expects OSError
only, so its tasks that fetch, that coordinate and that read metadata would end, some of them
without a word.
"""

from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


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
    """The client inside a consumer or a producer; made by taking its class."""

    async def _get_conn(self, node_id: Any, **options: Any) -> Any:
        connection = await super()._get_conn(node_id, **options)
        if connection is not None:
            connection.__class__ = Connection
        return connection
