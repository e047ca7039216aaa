"""The address that the HTTP intake listens on."""

import ipaddress
from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class Address(NamedTuple):
    """A host and a port. The host is empty for all interfaces."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """``HOST:PORT``, ``[IPV6]:PORT``, ``:PORT`` for all interfaces, ``PORT`` for loopback.

        Raises ValueError.
        """
        host, colon, port = text.strip().rpartition(":")
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("it must be HOST:PORT, :PORT for all interfaces, or PORT")
        if not colon:
            return cls(LOOPBACK, int(port))
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            raise ValueError("an IPv6 address must stand in brackets: [::1]:8080")
        return cls(host.strip("[]"), int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = self.host or "0.0.0.0"
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"
