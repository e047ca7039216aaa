"""Messages of the topics as a store's Folder takes them, without a broker."""

import itertools
from collections.abc import Iterable

from schemas.record import Record
from schemas.records import (
    Candidate,
    Document,
    Example,
    ExampleOrigin,
    Provenance,
    Rating,
    Scored,
    Segment,
)
from schemas.wire import encode, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.messages import HeaderPairs, Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import RATINGS, Topic, topic_of
from streams.page.store.folding import Folder
from streams.page.store.store import Store

CLUSTER = Cluster({}, topic_prefix="a.")
NOW = 1_700_000_000.0


class Topics:
    """Writes to the topics of a cluster, each with one partition, and folds them into a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.unreadable: list[str] = []
        self._folder = Folder(
            CLUSTER, RecordReader(self.unreadable.append, lambda note: None), lambda: NOW
        )
        self._offsets: dict[str, int] = {}
        self._clock = itertools.count(1)

    def write(self, *records: Record) -> None:
        """Write records, each a second after the one before, and fold them in."""
        self.fold([self.message(record) for record in records])

    def retract(self, topic: Topic, id: str) -> None:
        self.fold([self.received(topic, id.encode(), None)])

    def retract_rating(self, id: str) -> None:
        self.retract(RATINGS, id)

    def message(self, record: Record) -> Received:
        return self.received(
            topic_of(type(record)), record.id.encode(), encode(record), headers_for(type(record))
        )

    def received(
        self, topic: Topic, key: bytes | None, value: bytes | None, headers: HeaderPairs = ()
    ) -> Received:
        name = CLUSTER.topic(topic)
        offset = self._offsets[name] = self._offsets.get(name, -1) + 1
        at = int((NOW - 10_000 + next(self._clock)) * 1000)
        return Received(name, 0, offset, key, value, headers, timestamp_ms=at)

    def fold(self, messages: Iterable[Received]) -> None:
        self.store.apply(self._folder, [*messages])


def rating(score: float = 4.5, release: str = "r1", term: int = 1) -> Rating:
    return Rating(
        score=score,
        probabilities=(0.1, 0.1, 0.1, 0.2, 0.5),
        evidence={"gain": 1.5},
        precision=0.8,
        release=release,
        template="rating.1",
        term=term,
    )


def document(id: str = "d1") -> Document:
    return Document(id=id, source="guide.md", text="A guide.", title="Guide")


def segment(
    id: str = "s1", position: int = 0, text: str = "Water boils at 100 degrees."
) -> Segment:
    return Segment(
        id=id,
        document_id="d1",
        source="guide.md",
        position=position,
        headings=("Guide", "Water"),
        text=text,
        language="en",
    )


def candidate(id: str = "e1", instruction: str = "When does water boil?") -> Candidate:
    return Candidate(
        id=id,
        instruction=instruction,
        response="Water boils at 100 degrees.",
        provenance=Provenance(
            source="guide.md",
            document_id="d1",
            segment_id="s1",
            headings=("Guide", "Water"),
            language="en",
            release="r1",
            template="backward.1",
        ),
        category="open_qa",
    )


def scored(id: str = "e1", rated: Rating | None = None, **fields: str) -> Scored:
    return Scored(candidate=candidate(id, **fields), rating=rated or rating())


def example(pair: Scored) -> Example:
    found = pair.candidate
    return Example(
        id=found.id,
        instruction=found.instruction,
        response=found.response,
        origin=ExampleOrigin.AUGMENTED,
        rating=pair.rating,
        provenance=found.provenance,
        category=found.category,
    )


def seed(id: str = "h1") -> Example:
    return Example(
        id=id, instruction="Name a bird.", response="A robin.", origin=ExampleOrigin.SEED
    )
