"""The HTTP endpoint, over real sockets."""

import contextlib
import http.client
import socket
import threading
from contextlib import contextmanager

import psutil
import pytest

from schemas.errors import SettingsError
from streams.run.endpoint import serve_metrics
from streams.stages.metrics import RECORDS, Metrics

HOST = "127.0.0.1"


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=180)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes the connection, in whichever way."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            received += part
    return received


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
        socket.create_connection(("127.0.0.2", port), timeout=180)


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


def test_live_says_why_it_is_not():
    with serve_metrics(HOST, 0, Metrics(), lambda: None, lambda: "the loop is blocked") as port:
        assert port is not None
        assert get(port, "/live") == (503, "the loop is blocked\n")
        assert get(port, "/ready")[0] == 200


def test_clients_that_hold_connections_keep_nobody_waiting():
    """200 idle connections, and 200 with half a request: few are held, in a single thread."""
    with serving() as port, contextlib.ExitStack() as open_ones:
        before = psutil.Process().num_fds()
        for number in range(400):
            one = open_ones.enter_context(socket.create_connection((HOST, port)))
            if number % 2:
                one.sendall(b"GET /live HTTP/1.1\r\nhost: ")
        for _ in range(20):
            assert get(port, "/live") == (200, "ok\n")
        assert psutil.Process().num_fds() - before < 400 + 100
        assert sum(thread.name.startswith("metrics") for thread in threading.enumerate()) == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /live HTTP/1.1\r\ncookie: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"x" * 1_000_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /live HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n",
    ],
    ids=["huge header", "no line end", "TLS", "POST", "one word", "empty"],
)
def test_a_request_that_is_none_is_refused(request_bytes: bytes):
    with serving() as port:
        with socket.create_connection((HOST, port), timeout=180) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(request_bytes)
            answer = read_all(client)
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"405")
        assert get(port, "/live")[0] == 200


def test_of_pipelined_requests_the_first_is_answered():
    with serving() as port, socket.create_connection((HOST, port), timeout=180) as client:
        client.sendall(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)
        assert read_all(client).count(b"HTTP/1.1 200") <= 1
        assert get(port, "/live")[0] == 200


def test_a_client_that_reads_nothing_keeps_nobody_waiting():
    metrics = Metrics()
    for number in range(3000):
        metrics.counter(RECORDS, stage=f"a long name of stage {number}", outcome="dead").inc()
    with serving(metrics=metrics) as port, contextlib.ExitStack() as open_ones:
        for _ in range(3):
            deaf = open_ones.enter_context(socket.create_connection((HOST, port)))
            deaf.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        assert get(port, "/live")[0] == 200
