"""The HTTP endpoint of a worker: ``/metrics``, ``/live`` and ``/ready``, on threads of its own."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from schemas.errors import SettingsError
from streams.stages.metrics import Metrics

_IDLE_SECONDS = 10.0


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection, so that an idle one does not keep probes waiting."""

    daemon_threads = True
    block_on_close = False


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_SECONDS
    """Seconds after which a connection that sends no request is closed."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""


@contextmanager
def serve_metrics(
    host: str, port: int | None, metrics: Metrics, not_ready: Callable[[], str | None]
) -> Iterator[int | None]:
    """Serve on ``host`` and ``port`` while the block runs, and yield the port.

    Port 0 chooses a free one; None serves nothing. ``/live`` answers 200 as long as the process
    runs, ``/ready`` 503 with the reason while ``not_ready`` returns one. Raises SettingsError where
    the address cannot be used.
    """
    if port is None:
        yield None
        return
    page = make_wsgi_app(metrics.registry)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return page(environ, start_response)  # type: ignore[no-any-return]
        status, body = "200 OK", "ok"
        if path == "/ready":
            if (reason := not_ready()) is not None:
                status, body = "503 Service Unavailable", reason
        elif path != "/live":
            status, body = "404 Not Found", "not found"
        start_response(status, [("content-type", "text/plain; charset=utf-8")])
        return [f"{body}\n".encode()]

    try:
        server = make_server(host, port, application, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        raise SettingsError(
            f"metrics_host {host} and metrics_port {port} cannot be used: "
            f"{error.strerror or error}. Choose another port, or 0 for any free one"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
