"""What became of the documents: an account of the topics that uses nothing of the product.

The verifier compares what was fed, and which messages were made unreadable on purpose, with what is
in the topics. Messages are decoded with msgpack alone, by
``docs/wire.md``.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import msgpack
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_SCHEMAS = {
    "segments": b"segment/1",
    "candidates": b"candidate/1",
    "scored": b"scored/1",
    "curated": b"example/1",
    "rejected": b"rejection/1",
}
TOPICS = ("documents", *_SCHEMAS, "dead-letters")
_SECONDS = 60.0
_SAME_SCORE = 0.05
"""Scores depend in their last digits on what else was in the engine's batch."""


class Position(NamedTuple):
    """Where a message lies."""

    topic: str
    partition: int
    offset: int


class Message(NamedTuple):
    """A message as it lies in a topic. The names of its headers are in lower case."""

    at: Position
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass
class Verdict:
    """The account. Every list names ids or positions; all of them are empty where all is well."""

    fed: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    """Messages of each topic, those made unreadable left out."""
    ids: dict[str, int] = field(default_factory=dict)
    """Different ids of each topic."""
    not_stored: list[str] = field(default_factory=list)
    """Fed, acknowledged by the broker, and not on its topic."""
    lost: list[str] = field(default_factory=list)
    """Without a record, a rejection or a dead letter that answers for it."""
    foreign: list[str] = field(default_factory=list)
    """Made from nothing that was fed."""
    unreadable: list[str] = field(default_factory=list)
    """Written by the product, and not readable by the published format."""
    contradictory: list[str] = field(default_factory=list)
    """Both kept and refused, by the same release."""
    duplicates: dict[str, int] = field(default_factory=dict)
    """Messages of each topic that repeat the id and release of another, before folding."""
    duplicates_folded: list[str] = field(default_factory=list)
    """Examples that are twice in ``curated`` after folding by key: by id or by response."""
    differing: dict[str, int] = field(default_factory=dict)
    """Ids of each topic whose messages, of one release, have different contents."""
    dead: int = 0
    """Dead letters, each message counted once."""
    dead_unexpected: list[str] = field(default_factory=list)
    """Dead letters for messages that nobody made unreadable, with the error."""
    unanswered: list[str] = field(default_factory=list)
    """Messages made unreadable on a topic that a stage reads, without a dead letter."""

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words. Empty where all is well."""
        lists = {
            "not stored": self.not_stored,
            "lost": self.lost,
            "foreign": self.foreign,
            "unreadable": self.unreadable,
            "contradictory": self.contradictory,
            "duplicate after folding": self.duplicates_folded,
            "unexpected dead letter": self.dead_unexpected,
            "poison without a dead letter": self.unanswered,
        }
        found = [f"{what}: {one}" for what, every in lists.items() for one in every]
        if self.differing.get("segments"):
            found.append(f"{self.differing['segments']} segments differ from their copies")
        return found

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def verify(
    fed: Mapping[str, str], poison: Mapping[Position, bool], messages: Iterable[Message]
) -> Verdict:
    """Account for what was fed.

    ``fed`` maps the id of each document that the broker acknowledged to its source. ``poison`` maps
    each message that was made unreadable to whether a stage has to make it a dead letter.
    """
    account = _Account(fed, poison)
    for message in messages:
        account.add(message)
    return account.verdict()


def read(
    brokers: str, topics: Iterable[str] = TOPICS, without: Container[Position] = ()
) -> Iterator[Message]:
    """Every committed message that the topics hold, with librdkafka.

    Those at the positions ``without`` are left out: confluent-kafka 2.16 ends the process at a
    header name that is not UTF-8.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "verifier",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 16 * 1024 * 1024,
            "check.crcs": False,
        }
    )
    try:
        known = consumer.list_topics(timeout=_SECONDS).topics
        places = [
            TopicPartition(topic, partition, 0)
            for topic in topics
            if topic in known
            for partition in known[topic].partitions
        ]
        for place in places:
            low, _ = consumer.get_watermark_offsets(place, timeout=_SECONDS)
            place.offset = low
        consumer.assign(places)
        left = {(place.topic, place.partition) for place in places}
        while left:
            message = consumer.poll(_SECONDS)
            if message is None:
                raise TimeoutError(f"nothing comes from {sorted(left)} any more")
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
            elif error is not None:
                raise KafkaException(error)
            elif _position(message) not in without:
                yield _message(message)
    finally:
        consumer.close()


def _position(message: Any) -> Position:
    return Position(message.topic(), message.partition(), message.offset())


def _message(message: Any) -> Message:
    headers = {name.lower(): value or b"" for name, value in message.headers() or ()}
    return Message(_position(message), message.key(), message.value(), headers)


class _Account:
    """Takes in the messages of all topics in any order, then compares."""

    def __init__(self, fed: Mapping[str, str], poison: Mapping[Position, bool]) -> None:
        self._fed = fed
        self._by_source = {source.encode(): id for id, source in fed.items()}
        self._poison = poison
        self._verdict = Verdict(fed=len(fed))
        self._stored: set[str] = set()
        self._at: dict[Position, tuple[str, str]] = {}
        """Topic and id of what lies at a position that a stage reads."""
        self._segments: dict[str, set[str]] = defaultdict(set)
        """Segment -> the documents that it came from."""
        self._candidates: dict[str, str] = {}
        """Candidate -> its segment."""
        self._scored: dict[str, str] = {}
        """Scored candidate -> its segment."""
        self._kept: dict[bytes, Mapping[str, Any]] = {}
        """Key -> newest example of ``curated``."""
        self._ever_kept: set[tuple[str, str]] = set()
        """Example and release that kept it."""
        self._refused: set[tuple[str, str, str]] = set()
        """Stage, id and release of each rejection."""
        self._refused_documents: set[str] = set()
        self._refused_segments: set[str] = set()
        self._parents: list[tuple[str, str, str]] = []
        """What, its document, its segment: of rejections."""
        self._dead: dict[Position, str] = {}
        self._copies: dict[tuple[str, ...], Any] = {}
        self._differing: set[tuple[str, ...]] = set()
        self._messages: Counter[str] = Counter()
        self._duplicates: Counter[str] = Counter()

    def add(self, message: Message) -> None:
        if message.at in self._poison:
            return
        topic = message.at.topic
        self._messages[topic] += 1
        if topic == "documents":
            id = self._by_source.get(message.key or b"")
            if id is not None:
                self._stored.add(id)
                self._at[message.at] = (topic, id)
        elif topic == "dead-letters":
            self._add_dead(message)
        elif topic == "curated" and message.value is None:
            self._kept.pop(message.key or b"", None)
        else:
            record = _decoded(message)
            if record is None:
                self._verdict.unreadable.append(str(message.at))
            else:
                getattr(self, f"_add_{topic}")(message, record)

    def _add_dead(self, message: Message) -> None:
        headers = message.headers
        prefix = "__streams.errors."
        try:
            origin = Position(
                headers[prefix + "topic"].decode(),
                int(headers[prefix + "partition"]),
                int(headers[prefix + "offset"]),
            )
        except (KeyError, ValueError):
            self._verdict.unreadable.append(f"dead letter at {message.at}")
            return
        if origin in self._dead:
            self._duplicates["dead-letters"] += 1
        self._dead[origin] = headers.get(prefix + "message", b"").decode(errors="replace")[:200]

    def _add_segments(self, message: Message, record: Mapping[str, Any]) -> None:
        self._segments[record["id"]].add(record["document_id"])
        self._at[message.at] = ("segments", record["id"])
        # The same passage in two documents is one segment, which each of them sends.
        content = " ".join(record["text"].split())
        self._copy("segments", (record["id"], record["document_id"]), content)

    def _add_candidates(self, message: Message, record: Mapping[str, Any]) -> None:
        self._candidates[record["id"]] = record["provenance"]["segment_id"]
        self._at[message.at] = ("candidates", record["id"])
        self._copy("candidates", (record["id"],), (record["instruction"], record["response"]))

    def _add_scored(self, message: Message, record: Mapping[str, Any]) -> None:
        candidate, rating = record["candidate"], record["rating"]
        self._scored[candidate["id"]] = candidate["provenance"]["segment_id"]
        self._at[message.at] = ("scored", candidate["id"])
        self._copy("scored", (candidate["id"], rating["release"]), rating["score"])

    def _add_curated(self, message: Message, record: Mapping[str, Any]) -> None:
        if record["origin"] == "seed":
            return
        self._kept[message.key or b""] = record
        release = (record["rating"] or {}).get("release", "")
        self._ever_kept.add((record["id"], release))
        content = (record["instruction"], record["response"])
        self._copy("curated", (record["id"], release), content)

    def _add_rejected(self, message: Message, record: Mapping[str, Any]) -> None:
        id, stage, release = record["id"], record["stage"], record["release"]
        self._refused.add((stage, id, release))
        if stage == "segmenter":
            self._refused_documents.add(record["document_id"] or id)
        elif stage == "backward":
            self._refused_segments.add(record["segment_id"])
        self._parents.append(
            (f"rejection {id} of {stage}", record["document_id"], record["segment_id"])
        )
        self._copy("rejected", (id, stage, release), record["reason"])

    def _copy(self, topic: str, name: tuple[str, ...], content: Any) -> None:
        key = (topic, *name)
        if key not in self._copies:
            self._copies[key] = content
            return
        self._duplicates[topic] += 1
        if not _same(self._copies[key], content):
            self._differing.add(key)

    def verdict(self) -> Verdict:
        verdict = self._verdict
        verdict.messages = dict(self._messages)
        verdict.duplicates = dict(self._duplicates)
        verdict.differing = dict(Counter(key[0] for key in self._differing))
        verdict.ids = {
            "documents": len(self._stored),
            "segments": len(self._segments),
            "candidates": len(self._candidates),
            "scored": len(self._scored),
            "curated": len(self._kept),
        }
        verdict.not_stored = sorted(self._fed.keys() - self._stored)
        self._find_lost()
        self._find_foreign()
        self._find_contradictions()
        self._fold()
        self._account_for_dead()
        return verdict

    def _find_lost(self) -> None:
        answered = defaultdict(set)
        for position in self._dead:
            topic, id = self._at.get(position, ("", ""))
            answered[topic].add(id)
        answered["documents"] |= self._refused_documents
        answered["documents"].update(*self._segments.values())
        answered["segments"] |= self._refused_segments | set(self._candidates.values())
        refused = {(stage, id) for stage, id, _ in self._refused}
        answered["candidates"] |= self._scored.keys()
        answered["candidates"] |= {id for stage, id in refused if stage == "scorer"}
        answered["scored"] |= {id for stage, id in refused if stage == "curator"}
        answered["scored"] |= {id for id, _ in self._ever_kept}
        exist = {
            "documents": self._stored,
            "segments": self._segments.keys(),
            "candidates": self._candidates.keys(),
            "scored": self._scored.keys(),
        }
        self._verdict.lost = [
            f"{topic} {id}" for topic, ids in exist.items() for id in sorted(ids - answered[topic])
        ]

    def _find_foreign(self) -> None:
        foreign = self._verdict.foreign
        for id, documents in self._segments.items():
            foreign += [f"segment {id} of {one}" for one in documents - self._fed.keys()]
        for what, records in (("candidate", self._candidates), ("scored", self._scored)):
            foreign += [
                f"{what} {id} of segment {segment}"
                for id, segment in records.items()
                if segment not in self._segments
            ]
        foreign += [f"scored {id}" for id in self._scored if id not in self._candidates]
        kept = {id for id, _ in self._ever_kept}
        foreign += [f"example {id}" for id in sorted(kept - self._scored.keys())]
        for what, document, _segment in self._parents:
            if document and document not in self._fed:
                foreign.append(f"{what} of document {document}")

    def _find_contradictions(self) -> None:
        self._verdict.contradictory = [
            f"example {id} of {release}"
            for id, release in sorted(self._ever_kept)
            if ("curator", id, release) in self._refused
        ]

    def _fold(self) -> None:
        by_id: dict[str, bytes] = {}
        by_response: dict[str, str] = {}
        folded = self._verdict.duplicates_folded
        for key, record in self._kept.items():
            id, response = record["id"], " ".join(record["response"].split())
            if id in by_id or key != id.encode():
                folded.append(f"{id} under the keys {by_id.get(id, key)!r} and {key!r}")
            if response in by_response:
                folded.append(f"{id} has the response of {by_response[response]}")
            by_id[id] = key
            by_response[response] = id

    def _account_for_dead(self) -> None:
        verdict = self._verdict
        verdict.dead = len(self._dead)
        verdict.dead_unexpected = [
            f"{at.topic}/{at.partition}@{at.offset}: {error}"
            for at, error in sorted(self._dead.items())
            if not self._poison.get(at, False)
        ]
        verdict.unanswered = [
            f"{at.topic}/{at.partition}@{at.offset}"
            for at, must_die in sorted(self._poison.items())
            if must_die and at not in self._dead
        ]


def _decoded(message: Message) -> Mapping[str, Any] | None:
    if message.value is None:
        return None
    if message.headers.get("schema") != _SCHEMAS[message.at.topic]:
        return None
    try:
        value = msgpack.unpackb(message.value)
    except (ValueError, msgpack.UnpackException):
        return None
    return value if isinstance(value, dict) else None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _SAME_SCORE
    return bool(one == other)
