"""What an agent returns: records and retractions."""

from dataclasses import dataclass

from schemas.record import Record
from schemas.records import Example


@dataclass(frozen=True, slots=True)
class Retraction:
    """Removes the record ``id`` of ``record_type``: the stream writes a tombstone to its topic."""

    id: str
    record_type: type[Record] = Example


Outcome = Record | Retraction
"""Whatever a stage can write as a message."""
