"""The HTTP endpoint, over real sockets."""

import http.client
import socket
from contextlib import contextmanager

import pytest

from schemas.errors import SettingsError
from streams.run.endpoint import serve_metrics
from streams.stages.metrics import RECORDS, Metrics

HOST = "127.0.0.1"


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@contextmanager
def serving(not_ready=lambda: None, metrics=None):
    with serve_metrics(HOST, 0, metrics or Metrics(), not_ready) as port:
        assert port is not None
        yield port


def test_ready_says_why_it_is_not():
    reasons = ["curator: the broker is away", None]
    with serving(lambda: reasons[0]) as port:
        assert get(port, "/ready") == (503, "curator: the broker is away\n")
        assert get(port, "/live") == (200, "ok\n")
        reasons.pop(0)
        assert get(port, "/ready") == (200, "ok\n")
        assert get(port, "/other")[0] == 404


def test_metrics_are_served():
    metrics = Metrics()
    metrics.counter(RECORDS, stage="scorer", outcome="processed").inc(3)
    with serving(metrics=metrics) as port:
        status, page = get(port, "/metrics")
    assert status == 200
    assert 'backstream_records_total{outcome="processed",stage="scorer"} 3.0' in page


def test_an_idle_connection_does_not_keep_probes_waiting():
    with serving() as port, socket.create_connection((HOST, port)) as idle:
        idle.sendall(b"GET /live")  # half a request
        assert get(port, "/live")[0] == 200
        assert get(port, "/ready")[0] == 200


def test_it_listens_on_its_address_alone():
    with serving() as port, pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_a_taken_port_is_named():
    with (
        serving() as port,
        pytest.raises(SettingsError, match=f"metrics_port {port} cannot be used"),
        serve_metrics(HOST, port, Metrics(), lambda: None),
    ):
        pass


def test_no_port_serves_nothing():
    with serve_metrics(HOST, None, Metrics(), lambda: None) as port:
        assert port is None
