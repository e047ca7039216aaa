"""A TCP proxy that cuts, stalls, slows and refuses connections."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import TypeVar

_CHUNK = 64 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)
T = TypeVar("T")


class Proxy:
    """Forwards a port of the loopback interface, on an event loop in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        """``host`` and ``port`` are where it forwards to."""
        self._to = (host, port)
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((host, 0))
        self.port = int(self._listening.getsockname()[1])
        self.address = f"{host}:{self.port}"
        self.refused = 0
        self.clients: list[str] = []
        """Client id of each connection that was forwarded."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._unwanted: str | None = None
        self._delay = 0.0
        self._flowing: asyncio.Event | None = None
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def close(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()
        self._listening.close()

    def cut(self) -> None:
        """Reset every connection."""
        self._call(self._cut)

    def refuse(self) -> None:
        """Reset every connection, and new ones at once, until ``heal``."""
        self._refusing = True
        self._call(self._cut)

    def refuse_client(self, start: str) -> None:
        """Reset each new connection of a client whose id starts so, until ``heal``."""
        self._unwanted = start

    def stall(self) -> None:
        """Keep every connection open and forward nothing until ``heal``."""
        assert self._flowing is not None
        self._call(self._flowing.clear)

    def slow(self, seconds: float) -> None:
        """Hold each piece of at most 64 kB for ``seconds`` until ``heal``."""
        self._delay = seconds

    def forwarded(self, client: str) -> int:
        """Connections so far of clients whose id starts so."""
        return sum(id.startswith(client) for id in self.clients)

    def heal(self) -> None:
        """Forward everything again."""
        assert self._flowing is not None
        self._refusing, self._unwanted, self._delay = False, None, 0.0
        self._call(self._flowing.set)

    async def _serve(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, sock=self._listening)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.refused += 1
            _reset(writer)
            return
        try:
            upstream, to_upstream = await asyncio.open_connection(*self._to)
        except OSError:  # the broker is down
            _reset(writer)
            return
        if self._refusing:
            _reset(writer)
            _reset(to_upstream)
            return
        first = await _first_request(reader)
        client = _client_id(first)
        if self._unwanted is not None and client.startswith(self._unwanted):
            self.refused += 1
            _reset(writer)
            _reset(to_upstream)
            return
        self.clients.append(client)
        self._writers |= {writer, to_upstream}
        to_upstream.write(first)
        await asyncio.gather(self._pump(reader, to_upstream), self._pump(upstream, writer))
        self._writers -= {writer, to_upstream}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._flowing is not None
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    def _cut(self) -> None:
        for writer in self._writers:
            _reset(writer)

    def _call(self, body: Callable[[], T]) -> T:
        async def run() -> T:
            return body()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)


async def _first_request(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(OSError):
        return await reader.read(_CHUNK)
    return b""


def _client_id(request: bytes) -> str:
    """The client id of a request: behind size, API key, version and correlation id."""
    length = int.from_bytes(request[12:14], signed=True)
    return request[14 : 14 + max(0, length)].decode(errors="replace")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, as a firewall or a host that died does."""
    with contextlib.suppress(OSError):
        if (connection := writer.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
