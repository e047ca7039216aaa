"""Dead letters: the original key and value, byte for byte, and why they could not be processed.

Header names are those of KIP-1034 (Kafka Streams' dead-letter queue), and ``backstream.stage``
beside them.
"""

import traceback
from collections.abc import Iterable

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError
from schemas.wire import MAX_BYTES
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Message, Received
from streams.kafka.topics import DEAD_LETTERS

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
    told = {
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
        *((name, text.encode("utf-8", "replace")) for name, text in told.items()),
    ]
    return Message(DEAD_LETTERS.name, received.key, received.value, headers)


def original_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers that the message had before it died."""
    return [(name, value) for name, value in headers if name not in _OWN]


def replay_all(cluster: Cluster, letters: Iterable[Received]) -> None:
    """Send letters back to their source topics and wait for the broker. Raises BrokerError."""
    try:
        producer = KafkaProducer(**cluster.client, acks="all", max_request_size=2 * MAX_BYTES)
        try:
            sent = [
                producer.send(m.topic, m.value, m.key, headers=list(m.headers))
                for m in (revived(letter) for letter in letters)
            ]
            for future in sent:
                future.get(timeout=60)
        finally:
            producer.close()
    except KafkaError as error:
        raise BrokerError(f"dead letters could not be sent back: {error}") from error


def revived(letter: Received) -> Message:
    """The message of a dead letter as it first came, for its source topic. Raises KeyError where
    the headers are not ours.
    """
    told = dict(letter.headers)
    return Message(told[TOPIC].decode(), letter.key, letter.value, original_headers(letter.headers))
