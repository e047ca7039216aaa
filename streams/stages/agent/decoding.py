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
    """A message of a compacted topic. Its key is the id, also of a tombstone. Raises WireError."""
    if data is not None:
        return decode(record, data, headers)
    try:
        id = (key or b"").decode()
    except UnicodeDecodeError as error:
        raise WireError(f"the key of a tombstone is not UTF-8: {error}") from error
    if not id:
        raise WireError("a tombstone without a key")
    return Retraction(id, record)
