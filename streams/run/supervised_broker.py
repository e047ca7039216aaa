"""The broker of ``up`` and ``demo``: started again where it ends for a cause that passes."""

import time
from collections.abc import Callable

from schemas.errors import BrokerError
from streams.backoff import Backoff
from streams.kafka.embedded.broker import EmbeddedBroker

_BACKOFF = Backoff(1.0, 30.0)
_STEADY_SECONDS = 300.0
"""A broker that ran for this long counts its deaths from 1 again."""
_MOST_DEATHS = 5


class SupervisedBroker:
    """Watches an embedded broker that has been started."""

    def __init__(self, broker: EmbeddedBroker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._started = clock()
        self._restart_at: float | None = None
        self._starting = False
        self._deaths = 0

    def poll(self) -> str | None:
        """Start the broker again where it has ended, without waiting. Returns a message, or None.

        Raises BrokerError, with the cause, where it cannot run: at once where the cause does not
        pass by itself, as a full disk does not, and after five deaths in a row otherwise.
        """
        now = self._clock()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._restart_at, self._starting, self._started = None, True, now
                self._broker.launch()
            return None
        if not self._broker.alive:
            return self._died(now)
        if self._starting and self._broker.listens():
            self._starting = False
            return "the embedded Kafka runs again"
        return None

    def _died(self, now: float) -> str:
        death = self._broker.death()
        self._deaths = 1 if now - self._started > _STEADY_SECONDS else self._deaths + 1
        if not death.passing or self._deaths >= _MOST_DEATHS:
            raise BrokerError(f"the embedded Kafka ended by itself: {death.reason}")
        delay = _BACKOFF.after(self._deaths)
        self._restart_at, self._starting = now + delay, False
        return f"the embedded Kafka ended: {death.reason}; starting it again in {delay:.0f} s"
