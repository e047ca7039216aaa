"""Sending dead letters back to the topics that they came from."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from schemas.errors import BrokerError, WireError
from schemas.wire import MAX_BYTES, header_map
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import kafka_errors
from streams.kafka.connection.permissions import denial, writing
from streams.kafka.messages import Message, Received
from streams.kafka.topics import Topic
from streams.kafka.writing.bounded_producer import bounded_producer
from streams.kafka.writing.dead_letters import (
    UNDECODABLE,
    SourceMessage,
    altered_parts,
    origin_of,
    original_headers,
)

_BATCH = 500
"""Letters that are sent before their acknowledgements are awaited."""
_ANSWER_SECONDS = 60.0
_REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)
"""What a topic answers to a message that it will never take."""


class LeftOut(NamedTuple):
    """A dead letter that was not sent back."""

    at: str
    """``PARTITION@OFFSET`` on the topic of the dead letters."""
    reason: str


@dataclass(frozen=True, slots=True)
class SentBack:
    """What became of the letters that were to be sent back."""

    sent: int
    left_out: tuple[LeftOut, ...]


def send_back(
    cluster: Cluster, letters: Iterable[Received], sources: Collection[Topic]
) -> SentBack:
    """Send the original messages to their topics, and wait until the broker has them.

    A message goes back once, also where several letters are about it. So do equal messages: one
    that was sent back and cannot be processed is a letter again, and their number would double each
    time that all are sent back.

    Letters that came from none of the ``sources`` are left out: whoever may write to the dead
    letters could otherwise have anything written to any topic. So are letters that were cut, and
    messages that their topic refuses. Raises BrokerError.
    """
    sent, left_out = 0, []
    contents: set[bytes] = set()
    waiting = _once_each(letters)
    needed = [writing(cluster.topic(topic)) for topic in sources]
    with (
        bounded_producer(cluster, acks="all", max_request_size=4 * MAX_BYTES) as producer,
        kafka_errors("dead letters could not be sent back", cluster, *needed),
    ):
        while batch := list(islice(waiting, _BATCH)):
            answers = []
            for letter in batch:
                try:
                    message = revived(cluster, letter, sources)
                    if (content := _digest(message)) not in contents:
                        contents.add(content)
                        answers.append((letter, _send(producer, cluster, message)))
                except (WireError, *_REFUSED) as error:
                    left_out.append(LeftOut(letter.at, _reason(error)))
            for letter, answer in answers:
                try:
                    answer.get(timeout=_ANSWER_SECONDS)
                    sent += 1
                except _REFUSED as error:
                    left_out.append(LeftOut(letter.at, _reason(error)))
                except KafkaError as error:
                    reason = denial(error, cluster, needed) or error
                    raise BrokerError(
                        f"the dead letter {letter.at} could not be sent back: {reason}. "
                        f"{sent:,} were; sending them again does no harm"
                    ) from error
    return SentBack(sent, tuple(left_out))


def revived(cluster: Cluster, letter: Received, sources: Collection[Topic]) -> Message:
    """The original message of a dead letter, for its source topic.

    Raises WireError, which says why, where there is none to send: the letter cannot be read, names
    none of the ``sources`` of this deployment, or holds a part of the message only.
    """
    if letter.undecodable is not None:
        raise WireError(f"it cannot be read: {letter.undecodable}")
    origin = origin_of(letter)
    if origin is None:
        raise WireError("its headers do not say where it came from")
    ours = {cluster.topic(topic): topic.name for topic in sources}
    if origin.topic not in ours:
        raise WireError(f"it came from {origin.topic!r}, which no stage of this deployment reads")
    if altered := altered_parts(letter):
        raise WireError(
            f"its {' and '.join(altered)} did not fit on the topic and were cut; the original is "
            f"at {origin.topic}/{origin.partition}@{origin.offset} until that topic deletes it"
        )
    if UNDECODABLE in header_map(letter.headers):
        raise WireError("the client library could not decode the message")
    if letter.key is None and letter.value is None:
        raise WireError("the message has neither a key nor a value")
    headers = original_headers(letter.headers)
    return Message(ours[origin.topic], letter.key, letter.value, headers)


def _send(producer: KafkaProducer, cluster: Cluster, message: Message) -> Any:
    # kafka-python writes no header without a value.
    headers = [(name, value or b"") for name, value in message.headers]
    return producer.send(
        cluster.topic_prefix + message.topic, message.value, message.key, headers=headers
    )


def _once_each(letters: Iterable[Received]) -> Iterator[Received]:
    """Drop the letters about a message that an earlier one is about."""
    seen: set[SourceMessage] = set()
    for letter in letters:
        origin = origin_of(letter)
        if origin is None or origin not in seen:
            yield letter
        if origin is not None:
            seen.add(origin)


def _digest(message: Message) -> bytes:
    parts = (message.topic, message.key, message.value, tuple(message.headers))
    return hashlib.sha256(repr(parts).encode()).digest()


def _reason(error: Exception) -> str:
    if isinstance(error, _REFUSED):
        return f"its topic refuses the message: {error or type(error).__name__}"
    return str(error)
