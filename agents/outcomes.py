"""What an agent returns, apart from records: a retraction, which the stream writes as a
tombstone.
"""

from dataclasses import dataclass

from schemas.records import Example, Record


@dataclass(frozen=True, slots=True)
class Retraction:
    """Take back what was written under ``id`` to the topic of ``record_type``."""

    id: str
    record_type: type[Record] = Example


Outcome = Record | Retraction
"""What a stage can turn into a message."""
