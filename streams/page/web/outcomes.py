"""What became of dead letters that were sent back, for the page that is shown after it."""

import secrets
import threading

from streams.kafka.writing.sending_back import SentBack

_KEPT = 100


class Outcomes:
    """The newest outcomes, each under a random code that an address can hold."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[str, SentBack] = {}

    def add(self, outcome: SentBack) -> str:
        """Keep an outcome; return its code."""
        code = secrets.token_urlsafe(12)
        with self._lock:
            self._outcomes[code] = outcome
            for oldest in list(self._outcomes)[:-_KEPT]:
                del self._outcomes[oldest]
        return code

    def get(self, code: str) -> SentBack | None:
        """The outcome with this code. None where it is not kept."""
        with self._lock:
            return self._outcomes.get(code)
