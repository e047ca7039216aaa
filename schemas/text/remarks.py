"""What is passed over or mended while something is read, as values beside what was read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something that is not read, and that nobody asked for by its name."""

    where: str
    reason: str
    """What it is, to count by: ``.png file``, ``response with status 404``."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that was read all the same."""

    message: str
    """Begins with the name of the file or record."""
