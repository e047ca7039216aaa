"""The embedded broker's parts that need no Kafka."""

import fcntl
import json
import os
import random
import socket
import subprocess
import sys

import pytest

from schemas.errors import BrokerError
from streams.kafka.embedded.broker import cluster_id
from streams.kafka.embedded.ports import LOOPBACK, reserved_port
from streams.kafka.embedded.running import running_address


@pytest.mark.parametrize("first", range(256))
def test_a_cluster_id_is_never_read_as_an_option(first: int) -> None:
    made = cluster_id(bytes([first]) + random.Random(first).randbytes(15))
    assert len(made) == 22
    assert made[0].isalpha()


def test_no_broker_runs_on_an_empty_directory(tmp_path) -> None:
    assert running_address(tmp_path) is None


@pytest.mark.parametrize(
    "written",
    ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "x", "address": "a:1"}', '{"pid": 1, "a'],
)
def test_a_file_that_names_no_broker_is_none(written: str, tmp_path) -> None:
    (tmp_path / "broker.json").write_text(written)
    assert running_address(tmp_path) is None


def test_a_broker_is_where_its_owner_runs_and_it_listens(tmp_path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        address = f"{LOOPBACK}:{server.getsockname()[1]}"
        written = {"address": address, "pid": os.getpid()}
        (tmp_path / "broker.json").write_text(json.dumps(written))
        assert running_address(tmp_path) is None, "its owner has ended"
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert running_address(tmp_path) == address
        assert running_address(tmp_path) is None
    assert running_address(tmp_path) is None


def test_reserved_ports_are_different() -> None:
    with reserved_port() as one, reserved_port() as other:
        assert one != other


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port cannot be held")
def test_a_reserved_port_is_for_a_listener_with_so_reuseaddr_alone() -> None:
    with reserved_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((LOOPBACK, port))
        # As Java's server sockets do, in another process.
        listen = (
            "import socket; server = socket.socket(); "
            "server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
            f"server.bind(({LOOPBACK!r}, {port})); server.listen()"
        )
        subprocess.run([sys.executable, "-c", listen], check=True)


def test_a_port_that_is_listened_on_is_refused() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port}"), reserved_port(port):
            pass
