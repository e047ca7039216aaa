"""What is wrong with a prompts file, and where."""

from typing import NamedTuple


class Fault(NamedTuple):
    """Something that is wrong, with its line."""

    line: int
    """Counted from 1."""
    reason: str
