"""Readers of topics: they pass over what they cannot read, and never raise for it."""

import contextlib
import json
from pathlib import Path
from random import Random

from schemas.errors import WireError
from schemas.record import Record
from schemas.records import Candidate, Document, Example, HumanRating, Rejection, Scored, Segment
from schemas.release import Release
from streams.cli.console import printable
from streams.data.exports import Shape, row
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import TOPICS, topic_of
from streams.kafka.writing.dead_letters import dead_letter, origin_of
from streams.kafka.writing.sending_back import revived
from streams.observe.evidence import Evidence
from streams.observe.letters import details, summary
from streams.releases.announcements import fold, in_service
from streams.trainer.curated_set import CuratedSet
from tests.fuzz.messages import message, odd_headers, received, several
from tests.fuzz.mutation import damaged
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts
from tests.fuzz.targets.wire import Documents, check_encodes_again

_RECORDS: tuple[type[Record], ...] = tuple(VALUES)
_NOW = 1.8e9
"""Seconds since the epoch, after every announcement."""
_COMPACTED = (Example, HumanRating, Release)


class Readers:
    """``RecordReader``, for every record and every compacted topic."""

    share = 30

    def __init__(self, directory: Path) -> None:
        self._documents = Documents(directory)

    def make(self, random: Random) -> Parts:
        record = random.choice(_RECORDS)
        if record is Document:
            return (b"document", *self._documents.make(random))
        return (record.name.encode(), *message(random, record))

    def check(self, parts: Parts) -> None:
        kind = next(record for record in _RECORDS if record.name.encode() == parts[0])
        passed: list[str] = []
        reader = RecordReader(passed.append)
        arrived = received(parts[1:], topic_of(kind).name)
        record = reader.read_record(arrived, kind)
        assert passed == ([] if record else [arrived.topic]), "read or passed over, not both"
        if record is not None:
            check_encodes_again(record)
            self._take_in(record)
        if kind in _COMPACTED:
            entry = RecordReader().read_entry(arrived, kind)
            assert entry is None or entry.id
            assert entry is None or arrived.value is None or entry.record is not None

    def _take_in(self, record: Record) -> None:
        """As evidence of the audit, and as a row of each shape."""
        evidence = Evidence()
        match record:
            case Segment():
                evidence.add_segment(record)
            case Candidate():
                evidence.add_candidate(record)
            case Scored():
                evidence.add_scored(record)
            case Rejection():
                evidence.add_rejection(record)
            case Example():
                evidence.add_example(record.id, record)
                for shape in Shape:
                    assert json.dumps(row(record, shape), ensure_ascii=False).encode()


class DeadLetters:
    """``dead_letter``, and ``origin_of`` and ``revived`` of letters that others wrote."""

    share = 20

    def __init__(self, directory: Path) -> None:
        self._cluster = Cluster({"bootstrap_servers": "nowhere:9092"}, "", "backstream")

    def make(self, random: Random) -> Parts:
        record = random.choice(_RECORDS)
        parts = message(random, record)
        letter = dead_letter(received(parts, topic_of(record).name), "curator", ValueError("bad"))
        headers = [(name.encode(), value or b"") for name, value in letter.headers]
        odd = odd_headers(random, headers) if random.random() < 0.7 else headers
        if random.random() < 0.3:
            at = random.randrange(len(odd))
            number = random.choice(
                (b"-1", b"1_000", b" 7", b"9" * 30, b"9" * 5000, b"\xd9\xa3", b"1e3")
            )
            odd = [*odd[:at], (odd[at][0], number), *odd[at + 1 :]]
        value = damaged(random, letter.value or b"") if random.random() < 0.2 else letter.value
        return (letter.key, value, *(part for pair in odd for part in pair))

    def check(self, parts: Parts) -> None:
        letter = received(parts, "dead-letters")
        origin = origin_of(letter)
        with contextlib.suppress(WireError):
            revived(self._cluster, letter, TOPICS)
            assert origin is not None
        if origin is not None:
            assert 0 <= origin.partition < 2**31, "a partition that Kafka cannot have"
            assert 0 <= origin.offset < 2**63, "an offset that Kafka cannot have"
        # A letter that its reader fails at can become a letter again.
        nested = dead_letter(letter, "curator", ValueError("bad"))
        headers = [(name, value or b"") for name, value in nested.headers]
        found = origin_of(letter._replace(headers=headers))
        assert found == (letter.topic, letter.partition, letter.offset)
        assert printable(json.dumps(summary(letter), ensure_ascii=False)).encode()
        assert json.dumps(details(letter), ensure_ascii=False).encode()


class Announcements:
    """Several messages of ``releases`` after each other: what is deployed."""

    share = 8

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        parts: list[bytes | None] = []
        for _ in range(random.randrange(1, 6)):
            one = message(random, Release)
            parts += [b"%d" % len(one), *one]
        return tuple(parts)

    def check(self, parts: Parts) -> None:
        found: dict[str, Release] = {}
        reader = RecordReader()
        for offset, one in enumerate(several(parts)):
            fold(found, received(one, "releases", offset), reader, _NOW)
        for release in found.values():
            assert in_service(found.values(), release.base) is None or release.term > 0
            check_encodes_again(release)


class CuratedMessages:
    """The trainer's copy of ``curated``: a batch of messages, then all examples."""

    share = 1

    def __init__(self, directory: Path) -> None:
        self._set = CuratedSet(directory / "curated.sqlite")
        self._offset = 0

    def make(self, random: Random) -> Parts:
        parts: list[bytes | None] = []
        for _ in range(random.randrange(1, 6)):
            one = message(random, Example)
            parts += [b"%d" % len(one), *one]
        return tuple(parts)

    def check(self, parts: Parts) -> None:
        batch = [
            received(one, "curated", self._offset + at) for at, one in enumerate(several(parts))
        ]
        self._offset += len(batch)
        self._set.apply(batch)
        assert self._set.offsets() == ({0: self._offset} if batch else self._set.offsets())
        examples = list(self._set.examples())
        assert len(examples) == len(self._set)
        for example in examples[-3:]:
            check_encodes_again(example)
        if len(self._set) > 20:
            keys = [example.id.encode() for example in examples]
            self._set.apply(received((key, None), "curated", self._offset) for key in keys)
            assert len(self._set) == 0, "every example is retracted by its key"
