"""Messages that no reader can use, of every kind, on every topic.

Each is written by a client of its own, so that nothing of the product helps or refuses. The scene
notes where each message is, and whether a stage has to make it a dead letter: on the topics that
the stages read, all of them; on the others, none.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.kafka.topics import TOPICS, Topic
from tests.chaos.documents import Headers
from tests.chaos.feeder import CODECS
from tests.chaos.scene import Scene
from tests.chaos.verifier import Position
from tests.chaos.watch import READ_BY_STAGES
from tests.integration.unreadable import unreadable

_MEGABYTE = 1024 * 1024
_NULLS = 100
_ATTEMPTS = 3
_MARKER_SECONDS = 30.0


class Poison(NamedTuple):
    """One message."""

    topic: str
    kind: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    codec: str = "none"


class NotUtf8(str):
    """The name of a header as some other client may write it."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe" + str(self)[2:].encode(encoding, errors)


def everything(oversize: bool) -> Iterator[Poison]:
    """Every kind on every topic. ``oversize`` adds messages that expand to megabytes."""
    for topic in TOPICS:
        yield from _of(topic)
    yield Poison("releases", "hello", b"hello", b"hello", [])
    yield Poison("curated", "example/2", b"newer", b"\x80", [("schema", b"example/2")])
    yield from (Poison("documents", "null key and value", None, None, []) for _ in range(_NULLS))
    yield from _charsets()
    if oversize:
        yield from _oversize()


def _of(topic: Topic) -> Iterator[Poison]:
    for kind, message in unreadable(topic).items():
        if not isinstance(message, bytes):  # raw batches are for the tests of each reader
            key, value, headers = message
            yield Poison(topic.name, kind, key, value, list(headers))
    if topic.cleanup != "compact":  # on those the broker takes no message without a key
        yield Poison(topic.name, "null key and value", None, None, [])
    yield Poison(
        topic.name, "a header name that is not UTF-8", b"bad", b"\xff", [(NotUtf8("..x"), b"1")]
    )
    for codec in CODECS:
        yield Poison(topic.name, f"foreign bytes in {codec}", b"bad", b"\xff" * 300, [], codec)


def _charsets() -> Iterator[Poison]:
    for charset in ("punycode", "idna", "uu", "no-such-charset"):
        value = b"a-" + b"b" * 100_000 if charset != "punycode" else b"ab-" * _MEGABYTE
        content_type = f"text/plain; charset={charset}".encode()
        yield Poison("documents", charset, b"bad", value, [("content-type", content_type)])


def _oversize() -> Iterator[Poison]:
    for topic in sorted(READ_BY_STAGES):
        yield Poison(topic, "6 MB in gzip", b"bad", b"a" * 6 * _MEGABYTE, [], "gzip")
    yield Poison("documents", "50 MB in gzip", b"bad", b"a" * 50 * _MEGABYTE, [], "gzip")
    header: Headers = [("source", b"a" * 6 * _MEGABYTE), ("schema", b"order/1")]
    yield Poison("documents", "a header of 6 MB in gzip", b"bad", b"\xff", header, "gzip")


def spread(scene: Scene, messages: Iterator[Poison]) -> int:
    """Write messages, and note in the scene where they are. Returns their number."""
    count = 0
    producers: dict[str, Producer] = {}
    # A worker alone makes no topic that it does not use.
    known = _producer(scene, "none").list_topics(timeout=60).topics
    for message in messages:
        if message.topic not in known:
            continue
        count += 1
        if any(isinstance(name, NotUtf8) for name, _ in message.headers):
            _note(scene, _patiently(partial(_send_raw, scene, message)))
            continue
        if message.codec not in producers:
            producers[message.codec] = _producer(scene, message.codec)
        producers[message.codec].produce(
            message.topic,
            message.value,
            message.key,
            headers=message.headers,
            on_delivery=partial(_written, scene),
        )
    for producer in producers.values():
        if left := producer.flush(60):
            scene.problems.append(f"{left} poisonous messages could not be written")
    return count


def abort(scene: Scene) -> None:
    """Documents and other records in a transaction that is aborted: nothing may come of them.

    Waits for the markers. A single broker of Kafka 4.3.1 that is killed before it has written them
    may never do so, and then holds back all that follows from readers of committed messages.
    """
    producer = Producer(
        {
            "bootstrap.servers": scene.address,
            "transactional.id": f"chaos-{os.urandom(4).hex()}",
            "log_level": 0,
        }
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    for topic in sorted(READ_BY_STAGES | {"releases", "curated"}):
        producer.produce(topic, b"An aborted text. " * 60, b"aborted", partition=0)
        if topic in READ_BY_STAGES:
            # Kafka gives the marker an offset of its own behind the message.
            scene.markers += 2
    producer.flush(60)
    producer.abort_transaction(60)
    deadline = time.monotonic() + _MARKER_SECONDS
    while not _all_decided(scene) and time.monotonic() < deadline:
        scene.pause(0.2)


def _all_decided(scene: Scene) -> bool:
    """Whether no transaction is open any more in what the stages read."""
    ends = []
    for isolation in ("read_uncommitted", "read_committed"):
        reader = Consumer(
            {
                "bootstrap.servers": scene.address,
                "group.id": "chaos",
                "isolation.level": isolation,
                "log_level": 0,
            }
        )
        places = [TopicPartition(topic, 0) for topic in sorted(READ_BY_STAGES)]
        with contextlib.suppress(KafkaException):
            ends.append([reader.get_watermark_offsets(at, timeout=10)[1] for at in places])
        reader.close()
    return len(ends) == 2 and all(decided >= end for end, decided in zip(*ends, strict=True))


def _producer(scene: Scene, codec: str) -> Producer:
    settings: dict[str, Any] = {
        "bootstrap.servers": scene.address,
        "compression.type": codec,
        "message.max.bytes": 100 * _MEGABYTE,
        "linger.ms": 0,
        "log_level": 0,
    }
    return Producer(settings)


def _send_raw(scene: Scene, message: Poison) -> Position:
    """By kafka-python, which encodes header names where they can be replaced."""
    with KafkaProducer(bootstrap_servers=scene.address, acks="all", max_block_ms=20_000) as raw:
        at = raw.send(message.topic, message.value, message.key, headers=message.headers).get(20)
        return Position(at.topic, at.partition, at.offset)


def _patiently(send: Callable[[], Position]) -> Position:
    """A broker that has just started may not know a topic yet."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(KafkaError):
            return send()
    return send()


def _written(scene: Scene, error: Any, message: Any) -> None:
    if error is not None:
        scene.problems.append(f"a poisonous message could not be written: {error}")
    else:
        _note(scene, Position(message.topic(), message.partition(), message.offset()))


def _note(scene: Scene, at: Position) -> None:
    scene.poison[at] = at.topic in READ_BY_STAGES
