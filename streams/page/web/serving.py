"""The server of the page: its socket, and a way to stop it."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from schemas.errors import SettingsError
from streams.page.store.store import Store
from streams.page.web.acting import Actions
from streams.page.web.application import Application
from streams.page.web.site import RefusedOf
from streams.settings.address import Address
from streams.settings.page import PageSettings

_BACKLOG = 128
_LAST_SECONDS = 2
"""How long requests in flight may go on after a stop."""


class PageServer:
    """Serves the page on a socket. ``run`` blocks, and may be called by any thread."""

    def __init__(
        self,
        listening: socket.socket,
        store: Store,
        actions: Actions,
        settings: PageSettings,
        *,
        person: str = "",
        refused_of: RefusedOf = lambda place: (),
    ) -> None:
        """See Application."""
        self.address = Address(settings.address.host, listening.getsockname()[1])
        application = Application(
            store,
            actions,
            settings,
            self.address,
            person=person,
            refused_of=refused_of,
            stopping=lambda: self._stopped,
        )
        self._stopped = False
        self._socket = listening
        self._server = _Server(
            uvicorn.Config(
                application.guard,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_LAST_SECONDS,
            )
        )

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = self.address.host or "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.address.port}/"

    def run(self) -> None:
        """Serve until ``stop``."""
        self._server.run([self._socket])

    def stop(self) -> None:
        """End ``run``. Safe in a signal handler and in any thread."""
        self._stopped = True
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process that serves."""
        yield


@contextlib.contextmanager
def listening_on(
    address: Address, option: str = "-s page.listen=HOST:PORT"
) -> Iterator[socket.socket]:
    """A socket for the page; port 0 chooses a free one.

    Raises SettingsError, which names the option of the command that chooses another port.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        found = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"page.listen {address} cannot be used: {error.strerror or error}. Choose another "
            f"port with {option}, or 0 for any free one"
        ) from error
    with found:
        yield found
