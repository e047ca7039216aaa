"""Why a passage or an example is refused."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """The result of a filter or a rule that refuses."""

    reason: str
    """A short code to count by, such as ``too_short``."""
    detail: str
    """An explanation for people."""
