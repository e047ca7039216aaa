"""Ports of the loopback interface."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import BrokerError

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_port(port: int = 0) -> Iterator[int]:
    """Reserve a port for a child process that is about to listen on it; 0 is any free one.

    The port is bound with SO_REUSEADDR and does not listen. Linux then gives it to no other
    process, and lets a process listen on it that sets SO_REUSEADDR too, as Java's server sockets
    do. Other systems refuse that, so there the port is released at once.

    Raises BrokerError where the port is in use.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((LOOPBACK, port))
        except OSError as error:
            raise BrokerError(
                f"port {port} of {LOOPBACK} cannot be used: {error.strerror}. Choose another "
                "--port, or leave it out for a free one"
            ) from error
        found = int(held.getsockname()[1])
        if sys.platform != "linux":
            held.close()
        yield found


def listens(address: str) -> bool:
    """Whether a connection to ``HOST:PORT`` is accepted."""
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False
