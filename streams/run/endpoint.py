"""The HTTP endpoint of a worker: ``/metrics``, ``/live`` and ``/ready``, on its own thread."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app

from schemas.errors import SettingsError
from streams.stages.metrics import Metrics


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""


@contextmanager
def serve_metrics(
    port: int | None, metrics: Metrics, ready: Callable[[], bool]
) -> Iterator[int | None]:
    """Serve on ``port`` while the block runs, and yield the port.

    0 chooses a free port; None serves nothing. ``/live`` answers 200 as long as the process runs,
    ``/ready`` 503 while ``ready`` is false. Raises SettingsError where the port is taken.
    """
    if port is None:
        yield None
        return
    page = make_wsgi_app(metrics.registry)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return page(environ, start_response)  # type: ignore[no-any-return]
        up = path == "/live" or (path == "/ready" and ready())
        known = path in ("/live", "/ready")
        status = "200 OK" if up else "503 Service Unavailable" if known else "404 Not Found"
        start_response(status, [("content-type", "text/plain")])
        return [status.encode()]

    try:
        server = make_server("", port, application, handler_class=_QuietHandler)
    except OSError as error:
        raise SettingsError(
            f"metrics_port {port} cannot be used: {error.strerror}. Choose another, or 0 for "
            "any free one"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
