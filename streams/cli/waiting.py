"""What a command says while it waits for messages without end."""

import time
from collections.abc import Callable

_QUIET_SECONDS = 3.0


class Waiting:
    """Says once that nothing has come, and each time that a broker stops or begins to answer."""

    def __init__(
        self,
        what: str,
        no_broker: Callable[[], str | None],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``what`` is waited for. ``no_broker`` returns why no broker answers, or None."""
        self._what = what
        self._no_broker = no_broker
        self._say = say
        self._clock = clock
        self._began = clock()
        self._said = self._came = self._is_away = False

    def came(self) -> None:
        """Note that what is waited for came."""
        self._came = True

    def look(self) -> bool:
        """Say what is to be said. To be called several times a second. Always False."""
        reason = self._no_broker()
        if reason is not None and not self._is_away:
            self._say(f"{reason}; waiting for it, and then for {self._what}")
        elif reason is None and self._is_away:
            self._say(f"a broker answers again; waiting for {self._what}")
        self._is_away = reason is not None
        quiet = self._clock() - self._began > _QUIET_SECONDS
        if quiet and not (self._said or self._came or self._is_away):
            self._said = True
            self._say(f"waiting for {self._what}; Ctrl-C ends")
        return False
