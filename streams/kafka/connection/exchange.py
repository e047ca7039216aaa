"""Single requests to a broker over a socket, without a client of kafka-python."""

import socket
import time
from typing import Any, Protocol

from kafka.protocol.parser import KafkaProtocol


class Request(Protocol):
    """A request of kafka-python."""

    def expect_response(self) -> bool:
        """Whether the broker answers it."""


class Exchange:
    """Requests and responses of one connection, by kafka-python's encoding."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._messages = KafkaProtocol(client_id="backstream")

    def request(self, request: Request) -> Any:
        """Send a request and return its response.

        Raises ConnectionError where no response comes, TimeoutError after the socket's timeout.
        """
        self._messages.send_request(request)
        self._connection.sendall(self._messages.send_bytes())
        deadline = time.monotonic() + (self._connection.gettimeout() or 0)
        while time.monotonic() < deadline:
            received = self._connection.recv(65536)
            if not received:
                raise ConnectionResetError("end of the stream")
            try:
                responses = self._messages.receive_bytes(received)
            except Exception as error:  # whatever these bytes are
                raise ConnectionResetError(f"no response of Kafka: {error}") from error
            if responses:
                return responses[0][1]
        raise TimeoutError
