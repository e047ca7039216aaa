"""The base of every record, and the types of their fields.

Evolution: a new field has a default. The type and the meaning of a field never change. Any other
change is a new version (``Record.version``); readers of the old version send its records to the
dead letters.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
PairId = Annotated[str, StringConstraints(min_length=1, max_length=265)]
"""Id of a preference pair: the longest Id, and what is behind it."""
ReleaseId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)
]
"""Id of a release, which is also the name of its directory."""
NonEmpty = Annotated[str, StringConstraints(min_length=1)]
_LATEST = 253_402_300_799.0
"""The last second of the year 9999, which is the last that ``datetime`` supports."""
Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number from 0 that fits into the 8 bytes that msgpack, Kafka and SQLite have for it."""
Seconds = Annotated[float, Field(ge=0, le=_LATEST, allow_inf_nan=False)]
"""A moment, in seconds since the epoch."""


class Record(BaseModel):
    """Base of every record: frozen. Unknown fields, from a newer writer, are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    name: ClassVar[str]
    """Name of the record in the ``schema`` header."""
    version: ClassVar[int] = 1

    if TYPE_CHECKING:
        # Every record has an id: a field, or for ``Scored`` a property. It is declared for the type
        # checker only, because pydantic would use a property of the base as the field's default.
        @property
        def id(self) -> str:
            """The record's deterministic id: its key on its topic."""
