"""Records as messages."""

from schemas.record import Record
from schemas.wire import encode, headers_for
from streams.kafka.messages import HeaderPairs, Message
from streams.kafka.topics import topic_of


class Encoder:
    """Records as messages. The headers of a record type are made once."""

    def __init__(self) -> None:
        self._by_type: dict[type[Record], tuple[str, HeaderPairs]] = {}

    def __call__(self, record: Record) -> Message:
        """The message for a record, on its type's topic, with its id as key.

        Raises WireError where it is too large.
        """
        kind = type(record)
        found = self._by_type.get(kind)
        if found is None:
            found = self._by_type[kind] = (topic_of(kind).name, headers_for(kind))
        return Message(found[0], record.id.encode(), encode(record), found[1])
