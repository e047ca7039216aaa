"""aiokafka's connections on uvloop, over a transport that is closed."""

import asyncio

import pytest
import uvloop
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.connection.aiokafka_client import Connection


def test_a_write_after_a_reset_is_a_broken_connection() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write_after_a_reset())


async def _write_after_a_reset() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    connection = Connection(host, port)
    connection._reader, connection._writer = await asyncio.open_connection(host, port)
    connection._versions = {MetadataRequest.API_KEY: (0, 12)}
    connection._read_task = asyncio.create_task(asyncio.sleep(0))
    connection._writer.transport.abort()
    await asyncio.sleep(0.1)
    with pytest.raises(KafkaConnectionError, match="is broken"):
        connection.send(MetadataRequest([]))
    assert not connection.connected()
    server.close()
