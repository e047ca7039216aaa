"""Messages of the project's own records as what a stage handles."""

from collections.abc import Mapping

from agents.outcomes import Retraction
from schemas.errors import WireError
from schemas.record import Record
from schemas.wire import decode


def decode_keyless(
    record: type[Record], data: bytes | None, headers: Mapping[str, bytes], _: bytes | None
) -> Record:
    """A message of a topic that is not compacted. Its key is not looked at. Raises WireError."""
    return decode(record, data, headers)


def decode_entry(
    record: type[Record], data: bytes | None, headers: Mapping[str, bytes], key: bytes | None
) -> Record | Retraction:
    """A message of a compacted topic. Its key is the id, also of a tombstone. Raises WireError.

    Without a key in UTF-8 nothing else that reads the topic could read it.
    """
    what = "a tombstone" if data is None else "a message of a compacted topic"
    try:
        id = (key or b"").decode()
    except UnicodeDecodeError as error:
        raise WireError(f"the key of {what} is not UTF-8: {error}") from error
    if not id:
        raise WireError(f"{what} without a key")
    return Retraction(id, record) if data is None else decode(record, data, headers)
