"""Messages that readers must pass over, of every kind, for every topic."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
from aiokafka import AIOKafkaProducer

from schemas.record import Record
from schemas.records import (
    Bootstrap,
    Candidate,
    Decision,
    Document,
    Example,
    ExampleOrigin,
    Exemplar,
    HumanRating,
    Preference,
    Provenance,
    Question,
    Rating,
    Rejection,
    Ruling,
    Scored,
    Segment,
    Side,
)
from schemas.release import Release, ReleaseStatus
from schemas.wire import encode, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.reading.fetched import MAX_BATCH_BYTES
from streams.kafka.topics import DEAD_LETTERS, Topic
from tests.integration.producing import produce_raw
from tests.raw_batches import CODECS, raw_batch, raw_record

_RATING = Rating(score=4.0, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
_PAIR: dict[str, Any] = {"instruction": "Why?", "response": "So."}
GOOD: dict[type[Record], Callable[[str], Record]] = {
    Document: lambda name: Document(id=name, source="s", text="A text."),
    Segment: lambda name: Segment(id=name, document_id="d", source="s", position=0, text="A text."),
    Bootstrap: lambda name: Bootstrap(id=name, exemplars=(Exemplar(id="e", **_PAIR),)),
    Question: lambda name: Question(id=name, instruction="Why?"),
    Candidate: lambda name: Candidate(id=name, **_PAIR, provenance=Provenance()),
    Decision: lambda name: Decision(
        candidate=Candidate(id=name, **_PAIR, provenance=Provenance()),
        rating=_RATING,
        ruling=Ruling(action="accept"),
    ),
    Scored: lambda name: Scored(
        candidate=Candidate(id=name, **_PAIR, provenance=Provenance()), rating=_RATING
    ),
    Example: lambda name: Example(id=name, **_PAIR, origin=ExampleOrigin.AUGMENTED, rating=_RATING),
    Preference: lambda name: Preference(
        id=name,
        example_id="e",
        task="backward",
        prompt="So.",
        chosen=Side(id="e", text="Why?", rating=_RATING),
        rejected=Side(id="f", text="What?", rating=_RATING),
        margin=0.5,
    ),
    HumanRating: lambda name: HumanRating(id=name, **_PAIR, score=3),
    Rejection: lambda name: Rejection(id=name, stage="scorer", reason="bad"),
    Release: lambda name: Release(
        id=name,
        parent=None,
        base="base",
        status=ReleaseStatus.IN_SERVICE,
        location="/nowhere",
        created_at=1.0,
    ),
}
_OUT_OF_RANGE: dict[type[Record], dict[str, dict[str, object]]] = {
    Segment: {"a negative position": {"position": -1}},
    Decision: {
        "decided at no time": {"ruling": {"action": "drop", "at": float("nan")}},
        "an action of a newer version": {"ruling": {"action": "praise"}},
    },
    Scored: {"a term of 2**63": {"rating": {**_RATING.model_dump(), "term": 2**63}}},
    Example: {"a term of 2**63": {"rating": {**_RATING.model_dump(), "term": 2**63}}},
    HumanRating: {
        "a score of 6": {"score": 6},
        "rated at no time": {"at": float("nan")},
    },
    Rejection: {"no count": {"count": 0}},
    Release: {
        "announced at inf": {"announced_at": float("inf")},
        "announced at -inf": {"announced_at": float("-inf")},
        "announced at 1e18": {"announced_at": 1e18},
        "a location with NUL": {"location": "/releases/\0"},
    },
}
Headers = list[tuple[str, bytes | None]]
Raw = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers."""


async def write_unreadable(cluster: Cluster, topic: Topic) -> dict[str, int]:
    """Write each kind to partition 0 of a topic, and return the offsets."""
    offsets, name = {}, cluster.topic(topic)
    async with AIOKafkaProducer(**cluster.client, acks="all") as producer:
        for kind, message in unreadable(topic).items():
            if isinstance(message, bytes):
                (offsets[kind],) = await produce_raw(cluster, name, [message])
            else:
                key, value, headers = message
                sent = await producer.send_and_wait(name, value, key, partition=0, headers=headers)
                offsets[kind] = sent.offset
    return offsets


def unreadable(topic: Topic) -> Mapping[str, Raw | bytes]:
    """Kinds of unreadable messages on a topic; bytes are a batch with one record."""
    if topic is DEAD_LETTERS:
        return {**_unreadable_letters(), **_undecodable(str.encode, [])}
    record = topic.record
    assert record is not None
    good = GOOD[record]("bad")
    headers: Headers = [*headers_for(record)]
    as_json: Headers = [*headers[:1], ("content-type", b"application/json")]
    kinds: dict[str, Raw] = {
        "foreign bytes": (b"bad", b"\x00\xff\xfe not ours", []),
        "truncated": (b"bad", encode(good)[:-3], headers),
        "hostile": (b"bad", b"\xdd\xff\xff\xff\xff", headers),
        "another version": (b"bad", encode(good), [("schema", f"{record.name}/99".encode())]),
        "another record": (b"bad", encode(good), [("schema", b"order/1"), *headers[1:]]),
        "a header without value": (b"bad", b"\xc1", [("schema", None)]),
        "no object": (b"bad", b"[1, 2]", as_json),
        "deep": (b"bad", b"[" * 100_000, as_json),
    }
    if record is not Document:  # others write documents: there it becomes U+FFFD
        kinds["half a surrogate pair"] = (
            b"bad",
            json.dumps({**good.model_dump(mode="json"), "id": "\ud800"}).encode(),
            as_json,
        )
    if topic.cleanup == "compact":
        kinds["key not UTF-8"] = (b"\xff\xfe", encode(good), headers)
        kinds["tombstone, key not UTF-8"] = (b"\xff\xfe", None, [])
        kinds["empty key"] = (b"", None, [])
    else:
        kinds["null"] = (b"bad", None, [])
    for kind, fields in _OUT_OF_RANGE.get(record, {}).items():
        value = msgpack.packb({**good.model_dump(mode="python"), **fields})
        kinds[kind] = (b"bad", value, headers)
    return {**kinds, **_undecodable(lambda kind: encode(GOOD[record](kind)), headers)}


def _undecodable(value_of: Callable[[str], bytes], headers: Headers) -> dict[str, bytes]:
    """Batches that the client libraries cannot decode, and the broker accepts."""
    named = [(name.encode(), data) for name, data in headers]
    foreign, inner = (
        raw_record(0, b"bad", value_of(kind), [*named, (b"\xff\xfename", b"")])
        for kind in ("foreign", "compressed")
    )
    bomb = raw_record(0, b"bad", bytes(MAX_BATCH_BYTES + 1_000_000))
    zstd, encode_zstd = CODECS["zstd"]
    gzip, encode_gzip = CODECS["gzip"]
    return {
        "a header name not UTF-8": raw_batch([foreign]),
        "a header name not UTF-8, in gzip": raw_batch(encode_gzip(inner), codec=gzip, records=1),
        "an offset that is not its own": raw_batch(
            [raw_record(2**30, b"bad", value_of("misplaced"), named)]
        ),
        "a bomb": raw_batch(encode_zstd(bomb), codec=zstd, records=1),
    }


def _unreadable_letters() -> dict[str, Raw]:
    """Letters from which no message of this deployment can be made."""
    topic, partition, offset = (f"__streams.errors.{n}" for n in ("topic", "partition", "offset"))

    def letter(*headers: tuple[str, bytes | None]) -> Raw:
        return b"bad", b"x", [*headers]

    def at(place: bytes, number: bytes = b"0", position: bytes = b"1") -> Headers:
        return [(topic, place), (partition, number), (offset, position)]

    connect = "__connect.errors."
    return {
        "no headers": letter(),
        "no offset": letter(*at(b"documents")[:2]),
        "an offset that is no number": letter(*at(b"documents", position=b"first")),
        "a topic not UTF-8": letter(*at(b"\xff")),
        "no topic's name": letter(*at(b"")),
        "headers without values": (
            b"\xff",
            None,
            [(topic, None), (partition, None), (offset, None)],
        ),
        "headers of Kafka Connect": letter(
            (f"{connect}topic", b"documents"),
            (f"{connect}partition", b"0"),
            (f"{connect}offset", b"1"),
        ),
        "a value that steers a terminal": letter(("__streams.errors.message", b"\x1b[2J\xff\n")),
        "a negative offset": letter(*at(b"documents", position=b"-1")),
        "an offset of 2**63": letter(*at(b"documents", position=b"9223372036854775808")),
        "a partition of 2**31": letter(*at(b"documents", b"2147483648")),
        "an offset of 5,000 digits": letter(*at(b"documents", position=b"9" * 5_000)),
        "another application's topic": letter(*at(b"orders")),
        "another deployment's topic": letter(
            *at(b"other.documents"), ("backstream.stage", b"segmenter")
        ),
    }
