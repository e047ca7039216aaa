"""Dead letters: the original key and value, byte for byte, and why they were not processed.

Header names are those of KIP-1034 (dead-letter queue of Kafka Streams), and ``backstream.stage``.
"""

import traceback
from collections.abc import Iterable
from typing import NamedTuple

from kafka import KafkaProducer

from schemas.wire import MAX_BYTES, header_map
from streams.kafka.clients import connect, kafka_errors
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Message, Received
from streams.kafka.topics import DEAD_LETTERS, TOPICS

_PREFIX = "__streams.errors."
EXCEPTION = _PREFIX + "exception"
MESSAGE = _PREFIX + "message"
STACKTRACE = _PREFIX + "stacktrace"
TOPIC = _PREFIX + "topic"
PARTITION = _PREFIX + "partition"
OFFSET = _PREFIX + "offset"
STAGE = "backstream.stage"
_OWN = frozenset((EXCEPTION, MESSAGE, STACKTRACE, TOPIC, PARTITION, OFFSET, STAGE))
_LONGEST_TRACE = 16_000
_LONGEST_MESSAGE = 2_000


def dead_letter(received: Received, stage: str, error: BaseException) -> Message:
    """The dead letter of a message that ``stage`` could not process."""
    trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
    fields = {
        EXCEPTION: f"{type(error).__module__}.{type(error).__qualname__}",
        MESSAGE: str(error)[:_LONGEST_MESSAGE],
        STACKTRACE: trace,
        TOPIC: received.topic,
        PARTITION: str(received.partition),
        OFFSET: str(received.offset),
        STAGE: stage,
    }
    headers = [
        *original_headers(received.headers),
        *((name, text.encode("utf-8", "replace")) for name, text in fields.items()),
    ]
    return Message(DEAD_LETTERS.name, received.key, received.value, headers)


def original_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers that the message had before it became a dead letter."""
    return [(name, value) for name, value in headers if name not in _OWN]


class SourceMessage(NamedTuple):
    """The message that became a dead letter. ``topic`` is its name on the cluster."""

    topic: str
    partition: int
    offset: int


def origin_of(letter: Received) -> SourceMessage | None:
    """The message that became this dead letter. None where the headers do not name one."""
    fields = header_map(letter.headers)
    try:
        return SourceMessage(
            fields[TOPIC].decode(),
            _number(fields[PARTITION], 2**31),
            _number(fields[OFFSET], 2**63),
        )
    except (KeyError, ValueError):
        return None


def _number(digits: bytes, end: int) -> int:
    """A number from 0 up to ``end``. Raises ValueError for anything but its decimal digits."""
    if not digits.isdigit() or (number := int(digits)) >= end:
        raise ValueError(f"{digits!r} is not a number below {end}")
    return number


def replay_all(cluster: Cluster, letters: Iterable[Received]) -> int:
    """Send letters back to their source topics, wait for the broker, and return their number.

    Letters that did not come from a topic of this deployment are left out. Raises BrokerError.
    """
    producer = connect(KafkaProducer, cluster, acks="all", max_request_size=2 * MAX_BYTES)
    with producer, kafka_errors("dead letters could not be sent back"):
        sent = [
            producer.send(
                cluster.topic_prefix + message.topic,
                message.value,
                message.key,
                # kafka-python writes no header without a value.
                headers=[(name, value or b"") for name, value in message.headers],
            )
            for message in (revived(cluster, letter) for letter in letters)
            if message is not None
        ]
        for future in sent:
            future.get(timeout=60)
        return len(sent)


def revived(cluster: Cluster, letter: Received) -> Message | None:
    """The original message of a dead letter, for its source topic.

    None where the headers name no topic of this deployment.
    """
    origin = origin_of(letter)
    ours = {cluster.topic(topic): topic.name for topic in TOPICS}
    if origin is None or origin.topic not in ours:
        return None
    headers = original_headers(letter.headers)
    return Message(ours[origin.topic], letter.key, letter.value, headers)
