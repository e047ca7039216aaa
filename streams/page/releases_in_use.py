"""Which of the deployed releases can be used here, as ``status`` says it."""

import threading
import time
from collections.abc import Callable, Sequence

from models.releases.store import ReleaseStore
from schemas.release import Release
from streams.page.store.stream_views import InUse
from streams.releases.serving import serving_here

_SECONDS = 60.0
"""That an answer holds for the same announcements: the files of releases are hashed for it."""


class ReleasesInUse:
    """Verifies the files of releases. Any thread may call it."""

    def __init__(
        self,
        store: ReleaseStore,
        base: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``base`` is the id of the model here; None where it is not known.

        Then the last release of every base is looked at.
        """
        self._store = store
        self._base = base
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, Sequence[Release], InUse] | None = None

    def __call__(self, releases: Sequence[Release]) -> InUse:
        """Look at announced releases in their order."""
        with self._lock:
            now = self._clock()
            if self._known is not None:
                until, known, found = self._known
                if now < until and known == releases:
                    return found
            found = self._look(releases)
            self._known = now + _SECONDS, releases, found
            return found

    def _look(self, releases: Sequence[Release]) -> InUse:
        bases = {one.base for one in releases} if self._base is None else {self._base}
        found = {base: serving_here(releases, base, self._store) for base in sorted(bases)}
        return InUse(
            ids=frozenset(
                one.release.id if one.release is not None else base
                for base, one in found.items()
                if one.release is not None or one.refused
            ),
            refused={id: why for one in found.values() for id, why in one.refused.items()},
        )
