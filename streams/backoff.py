"""Pauses between attempts at what fails for a while."""

from typing import NamedTuple

_MOST_DOUBLINGS = 60
"""Further ones would exceed a float in the end."""


class Backoff(NamedTuple):
    """Seconds to wait after failures in a row: they double, up to a longest pause."""

    shortest: float
    longest: float

    def after(self, failures: int) -> float:
        """The pause after this number of failures, which is 1 or more."""
        return min(self.shortest * 2 ** min(failures - 1, _MOST_DOUBLINGS), self.longest)
