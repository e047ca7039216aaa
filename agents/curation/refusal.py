"""What a curation rule says when it refuses."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why an example is refused. ``reason`` is a short code to count by, ``detail`` is for
    people.
    """

    reason: str
    detail: str
