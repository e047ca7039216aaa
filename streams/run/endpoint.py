"""The HTTP endpoint of a process, on a thread of its own: ``/metrics``, ``/live``, ``/ready``."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import SettingsError
from streams.stages.metrics import Metrics

_MAX_CONNECTIONS = 64
"""Beyond it the oldest connection is closed: probes are short, and come last."""
_MAX_REQUEST_BYTES = 16 * 1024
_CONNECTION_SECONDS = 10.0
_STOP_SECONDS = 5.0
_TEXT = "text/plain; charset=utf-8"
_STATUS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

Probe = Callable[[], str | None]
"""Returns the reason for an answer of 503, or None for 200. Called on the endpoint's thread."""


@contextmanager
def serve_metrics(
    host: str,
    port: int | None,
    metrics: Metrics,
    not_ready: Probe,
    not_live: Probe = lambda: None,
    *,
    setting: str = "metrics_port",
) -> Iterator[int | None]:
    """Serve on ``host`` and ``port`` while the block runs, and yield the port.

    Port 0 chooses a free one; None serves nothing. ``/live`` and ``/ready`` answer 503 with the
    reason while ``not_live`` or ``not_ready`` returns one. One request is answered on a connection.
    Raises SettingsError, which names the ``setting``, where the address cannot be used.
    """
    if port is None:
        yield None
        return
    try:
        listening = socket.create_server((host, port), backlog=_MAX_CONNECTIONS)
    except OSError as error:
        raise SettingsError(
            f"metrics_host {host} and {setting} {port} cannot be used: "
            f"{error.strerror or error}. Choose another port, or 0 for any free one"
        ) from error
    endpoint = _Endpoint(listening, metrics, not_ready, not_live)
    endpoint.start()
    try:
        yield listening.getsockname()[1]
    finally:
        endpoint.stop()


class _Endpoint:
    """An event loop on a thread. It holds a bounded number of connections of bounded size."""

    def __init__(
        self, listening: socket.socket, metrics: Metrics, not_ready: Probe, not_live: Probe
    ) -> None:
        self._listening = listening
        self._metrics = metrics
        self._probes = {"/live": not_live, "/ready": not_ready}
        self._connections: dict[asyncio.StreamWriter, None] = {}
        self._stop: Callable[[], None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="metrics", daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        assert self._stop is not None, "called before start"
        self._stop()
        self._thread.join(_STOP_SECONDS)

    async def _run(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stopping.set)  # type: ignore[assignment]
        server = await asyncio.start_server(
            self._serve, sock=self._listening, limit=_MAX_REQUEST_BYTES
        )
        self._started.set()
        await stopping.wait()
        server.close()
        for writer in self._connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        self._connections[writer] = None
        if len(self._connections) > _MAX_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.transport.abort()
        try:
            async with asyncio.timeout(_CONNECTION_SECONDS):
                writer.write(self._answer(await _request_line(reader)))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # the client left, or was too slow
        finally:
            self._connections.pop(writer, None)
            writer.transport.abort()

    def _answer(self, request_line: bytes) -> bytes:
        status, kind, body = self._respond(request_line.split(b" "))
        head = (
            f"HTTP/1.1 {status} {_STATUS[status]}\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if request_line.startswith(b"HEAD ") else body)

    def _respond(self, words: list[bytes]) -> tuple[int, str, bytes]:
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400, _TEXT, b"not an HTTP/1 request\n"
        method, target, _ = words
        if method not in (b"GET", b"HEAD"):
            return 405, _TEXT, b"only GET and HEAD\n"
        path = target.partition(b"?")[0].decode("latin-1")
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._metrics.registry)
        probe = self._probes.get(path)
        if probe is None:
            return 404, _TEXT, b"not found\n"
        reason = probe()
        return (200, _TEXT, b"ok\n") if reason is None else (503, _TEXT, f"{reason}\n".encode())


async def _request_line(reader: asyncio.StreamReader) -> bytes:
    """Read a request's head and return its first line; empty for a head that is none."""
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = await reader.readuntil(b"\r\n\r\n")
        return head.partition(b"\r\n")[0]
    return b""
