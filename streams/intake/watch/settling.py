"""Whether a file is finished, told by how long it has not changed."""

import time
from collections.abc import Callable


class Settling:
    """Remembers when each version of a file was first seen.

    A file is settled ``seconds`` after its last change by its own time, or after it was first seen
    with this version: a copy may have the time of the original, and a clock may be wrong.
    """

    def __init__(
        self,
        seconds: float,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._monotonic = monotonic
        self._seen: dict[str, tuple[str, float]] = {}

    @property
    def pending(self) -> bool:
        """Whether a file is not settled."""
        return bool(self._seen)

    def age(self, file: str, version: str, changed_at: float | None) -> float:
        """Seconds for which a file is known not to have changed."""
        known, since = self._seen.get(file, ("", 0.0))
        if known != version:
            since = self._monotonic()
            self._seen[file] = version, since
        by_clock = -1.0 if changed_at is None else self._now() - changed_at
        return max(by_clock, self._monotonic() - since)

    def settled(self, file: str, version: str, changed_at: float | None) -> bool:
        """Whether a file may be read."""
        return self.age(file, version, changed_at) >= self._seconds

    def forget(self, file: str) -> None:
        """A file is read, or gone."""
        self._seen.pop(file, None)

    def keep(self, files: "set[str]") -> None:
        """Forget all others, which are gone."""
        for file in self._seen.keys() - files:
            del self._seen[file]
