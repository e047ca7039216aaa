"""Messages of the topics as rows.

Each topic is read on its own, so that a rejection may come before the pair that it refuses. The
rows are the same in whatever order the topics are read, and whether a message comes once or twice,
but for the numbers of ``written``, which count messages.
"""

import json
import math
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.errors import WireError
from schemas.record import Record
from schemas.records import (
    Bootstrap,
    Candidate,
    Decision,
    Example,
    ExampleOrigin,
    HumanRating,
    Question,
    Rating,
    Rejection,
    Scored,
    Segment,
)
from schemas.release import Release
from schemas.wire import decode_document, header_map
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import (
    BOOTSTRAPS,
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    DECISIONS,
    DOCUMENTS,
    QUESTIONS,
    RATINGS,
    REJECTED,
    RELEASES,
    SCORED,
    SEGMENTS,
    Topic,
)
from streams.observe.letters import details
from streams.page.store.filters import Kind
from streams.page.store.views import TEXT_CHARACTERS
from streams.releases.announcements import fold

FOLLOWED = (
    DOCUMENTS,
    SEGMENTS,
    BOOTSTRAPS,
    QUESTIONS,
    CANDIDATES,
    SCORED,
    CURATED,
    RATINGS,
    DECISIONS,
    REJECTED,
    DEAD_LETTERS,
    RELEASES,
)
"""The topics that are read."""
_AHEAD_SECONDS = 60.0
"""How far in the future a message may be; the clocks of writers are not to be trusted."""
_NAME_CHARACTERS = 1_000
"""Longest source, title, code or name."""
_DETAIL_CHARACTERS = 2_000
_LETTER_BYTES = 16_384
"""Most bytes of a dead letter's key, and of its value, that are kept."""
_MOST_THINGS = 1_000_000_000
_SEED = "seed"
_PAIR = """
INSERT INTO items (
    id, kind, at, source, category, language, generator, document_id, segment_id, request_id
) VALUES (?, 'example', ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind, at = max(at, excluded.at), source = excluded.source,
    category = excluded.category, language = excluded.language, generator = excluded.generator,
    document_id = excluded.document_id, segment_id = excluded.segment_id,
    request_id = excluded.request_id
RETURNING number
"""
_SAID_BY_PEOPLE = """
UPDATE items SET
    human_score = (SELECT score FROM human_ratings WHERE id = items.id),
    (decision, by) = (
        SELECT coalesce(max(action), ''), coalesce(max(by), '') FROM decisions
        WHERE id = items.id AND action <> 'undo'
    )
WHERE number = ?
"""
_REFUSED = """
INSERT INTO items (id, kind, at, document_id, segment_id, request_id) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)
RETURNING number
"""
_NEWEST_REFUSAL = """
UPDATE items SET (stage, reason, detail, count) = (
    SELECT stage, reason, detail, count FROM refusals WHERE number = items.number
    ORDER BY at DESC, stage LIMIT 1
) WHERE number = ?
"""


class Folder:
    """Writes messages to the tables of one cluster."""

    def __init__(
        self, cluster: Cluster, reader: RecordReader, clock: Callable[[], float] = time.time
    ) -> None:
        self._reader = reader
        self._clock = clock
        handlers: Mapping[Topic, Callable[[_Message], None]] = {
            DOCUMENTS: self._document,
            SEGMENTS: self._segment,
            BOOTSTRAPS: self._bootstrap,
            QUESTIONS: self._question,
            CANDIDATES: self._candidate,
            SCORED: self._scored,
            CURATED: self._curated,
            RATINGS: self._human_rating,
            DECISIONS: self._decision,
            REJECTED: self._rejected,
            DEAD_LETTERS: self._letter,
            RELEASES: self._release,
        }
        self._handlers = {cluster.topic(topic): handle for topic, handle in handlers.items()}

    def fold(self, writer: sqlite3.Connection, messages: Iterable[Received]) -> None:
        """Write messages, and the offsets after them, within the writer's transaction."""
        now, reached = self._clock(), dict[tuple[str, int], int]()
        for received in messages:
            at = min(max((received.timestamp_ms or 0) / 1000, 0.0), now + _AHEAD_SECONDS)
            try:
                self._handlers[received.topic](_Message(writer, received, at))
            except (ValueError, OverflowError, sqlite3.DataError) as error:
                self._reader.pass_over(received, received.topic, error)
            reached[received.topic, received.partition] = received.offset + 1
        writer.executemany(
            "INSERT INTO offsets VALUES (?, ?, ?)"
            " ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next",
            [(*place, offset) for place, offset in reached.items()],
        )

    def _document(self, message: "_Message") -> None:
        received = message.received
        try:
            if received.undecodable is not None:
                raise WireError(received.undecodable)
            # Without the text: its conversion takes long, and belongs into a process of its own.
            found = decode_document(
                received.value, header_map(received.headers), received.key, with_text=False
            )
        except WireError as error:
            self._reader.pass_over(received, DOCUMENTS.name, error)
            return
        source = _name(found.source)
        message.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            found.id,
            source,
            _name(found.title),
            _name(found.media_type),
            len(received.value or b""),
            received.partition,
            received.offset,
        )
        message.execute(
            "UPDATE items SET source = ? WHERE document_id = ? AND document_id <> ''"
            " AND source = ''",
            source,
            found.id,
        )

    def _segment(self, message: "_Message") -> None:
        found = self._reader.read_record(message.received, Segment)
        if found is None:
            return
        message.count("segmenter", SEGMENTS)
        data = {
            "headings": [_name(heading) for heading in found.headings],
            "neighbours": [_name(heading) for heading in found.neighbours],
            "context": _text(found.context),
        }
        source, language, text = _name(found.source), _name(found.language), _text(found.text)
        message.execute(
            "INSERT INTO passages (id, document_id, position, source, language, text, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET document_id = excluded.document_id,"
            " position = excluded.position, source = excluded.source, data = excluded.data",
            found.id,
            found.document_id,
            found.position,
            source,
            language,
            text,
            json.dumps(data),
        )
        for number in message.numbers(
            "SELECT number FROM items WHERE segment_id = ? AND segment_id <> ''"
            " AND number NOT IN (SELECT number FROM pairs)",
            found.id,
        ):
            self._show_passage(message, number, source, language, text)

    def _show_passage(
        self, message: "_Message", number: int, source: str, language: str, text: str
    ) -> None:
        """Fill in what an item that never became a pair has of its passage."""
        message.execute(
            "UPDATE items SET source = ?, language = ? WHERE number = ?", source, language, number
        )
        message.write_texts(number, "", "", text)

    def _bootstrap(self, message: "_Message") -> None:
        if found := self._reader.read_record(message.received, Bootstrap):
            self._request(message, found.id, found.source, "")

    def _question(self, message: "_Message") -> None:
        if found := self._reader.read_record(message.received, Question):
            self._request(message, found.id, found.source, found.instruction)

    def _request(self, message: "_Message", id: str, source: str, instruction: str) -> None:
        source, instruction = _name(source), _text(instruction)
        message.execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", id, source, instruction)
        for number in message.numbers(
            "SELECT number FROM items WHERE id = ? AND kind = 'request'", id
        ):
            self._show_passage(message, number, source, "", instruction)

    def _candidate(self, message: "_Message") -> None:
        if found := self._reader.read_record(message.received, Candidate):
            message.count(found.provenance.generator, CANDIDATES)
            self._pair(message, found)

    def _scored(self, message: "_Message") -> None:
        found = self._reader.read_record(message.received, Scored)
        if found is None:
            return
        number = self._pair(message, found.candidate)
        known: int = message.one("SELECT term FROM items WHERE number = ?", number)
        again = 0 <= known < found.rating.term
        stage = "recurator" if again else "scorer"
        message.count("decider" if found.ruling else stage, SCORED)
        self._rate(message, number, found.rating)

    def _curated(self, message: "_Message") -> None:
        entry = self._reader.read_entry(message.received, Example)
        if entry is None:
            return
        if entry.record is None:
            # The record of the example stays: it has the other samples.
            message.execute(
                "UPDATE items SET curated = 0, retracted = 1, at = max(at, ?) WHERE id = ?",
                message.at,
                entry.id,
            )
            return
        example = entry.record
        if example.origin is not ExampleOrigin.SEED:
            message.count("curator", CURATED)
        number = self._pair(message, example)
        message.execute("UPDATE items SET curated = 1, retracted = 0 WHERE number = ?", number)
        if example.rating is not None:
            self._rate(message, number, example.rating)

    def _pair(self, message: "_Message", pair: Candidate | Example) -> int:
        """Write a pair; return its number. What is on ``curated`` counts more than a candidate."""
        origin, curated = pair.provenance, isinstance(pair, Example)
        seed = isinstance(pair, Example) and pair.origin is ExampleOrigin.SEED
        number: int = message.one(
            _PAIR,
            pair.id,
            message.at,
            _name(origin.source),
            _name(pair.category),
            _name(origin.language),
            _SEED if seed else _name(origin.generator),
            origin.document_id[:_NAME_CHARACTERS],
            origin.segment_id[:_NAME_CHARACTERS],
            origin.request_id[:_NAME_CHARACTERS],
        )
        known = message.row(
            "SELECT candidate IS NOT NULL, example IS NOT NULL FROM pairs WHERE number = ?", number
        )
        if known is None:
            message.execute(_SAID_BY_PEOPLE, number)
        elif known[0] and not curated:
            return number
        column = "example" if curated else "candidate"
        message.execute(
            f"INSERT INTO pairs (number, {column}) VALUES (?, ?)"
            f" ON CONFLICT (number) DO UPDATE SET {column} = excluded.{column}",
            number,
            _packed(pair),
        )
        if curated or known is None or not known[1]:
            message.write_texts(
                number, _text(pair.instruction), _text(pair.context), _text(pair.response)
            )
        return number

    def _rate(self, message: "_Message", number: int, rating: Rating) -> None:
        release = _name(rating.release)
        message.execute(
            "INSERT INTO ratings VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (number, release) DO UPDATE SET term = excluded.term,"
            " score = excluded.score, precision = excluded.precision, data = excluded.data"
            " WHERE excluded.term >= term",
            number,
            release,
            rating.term,
            rating.score,
            rating.precision,
            rating.model_dump_json(),
        )
        message.execute(
            "UPDATE items SET score = ?, term = ?, release = ? WHERE number = ? AND term <= ?",
            rating.score,
            rating.term,
            release,
            number,
            rating.term,
        )

    def _rejected(self, message: "_Message") -> None:
        found = self._reader.read_record(message.received, Rejection)
        if found is None:
            return
        message.count(found.stage, REJECTED, found.count)
        kind = _kind_of(found)
        number = message.one(
            _REFUSED,
            found.id,
            kind,
            message.at,
            found.document_id[:_NAME_CHARACTERS],
            found.segment_id[:_NAME_CHARACTERS],
            found.request_id[:_NAME_CHARACTERS],
        )
        score = found.score
        message.execute(
            "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (number, stage) DO UPDATE SET reason = excluded.reason,"
            " detail = excluded.detail, count = excluded.count, release = excluded.release,"
            " score = excluded.score, at = excluded.at WHERE excluded.at >= at",
            number,
            _name(found.stage),
            _name(found.reason),
            found.detail[:_DETAIL_CHARACTERS],
            min(found.count, _MOST_THINGS),
            _name(found.release),
            score if score is not None and math.isfinite(score) else None,
            message.at,
        )
        message.execute(_NEWEST_REFUSAL, number)
        if message.one("SELECT 1 FROM texts WHERE number = ?", number) is None:
            self._show_refused(message, number, found)

    def _show_refused(self, message: "_Message", number: int, refused: Rejection) -> None:
        """Fill in what is known of the passage, the request or the document that was refused."""
        row = message.row(
            "SELECT source, language, text FROM passages WHERE id = ?", refused.segment_id
        ) or message.row(
            "SELECT source, '', instruction FROM requests WHERE id = ?", refused.request_id
        )
        if row is not None:
            self._show_passage(message, number, *row)
        elif source := message.one(
            "SELECT source FROM documents WHERE id = ?", refused.document_id
        ):
            message.execute("UPDATE items SET source = ? WHERE number = ?", source, number)

    def _human_rating(self, message: "_Message") -> None:
        entry = self._reader.read_entry(message.received, HumanRating)
        if entry is None:
            return
        message.execute("DELETE FROM human_ratings WHERE id = ?", entry.id)
        rating = entry.record
        if rating is not None:
            message.execute(
                "INSERT INTO human_ratings VALUES (?, ?, ?)",
                rating.id,
                rating.score,
                rating.model_dump_json(),
            )
        message.execute(
            "UPDATE items SET human_score = ? WHERE id = ?",
            rating.score if rating else None,
            entry.id,
        )

    def _decision(self, message: "_Message") -> None:
        entry = self._reader.read_entry(message.received, Decision)
        if entry is None:
            return
        message.execute("DELETE FROM decisions WHERE id = ?", entry.id)
        found = entry.record
        if found is None:
            message.execute("UPDATE items SET decision = '', by = '' WHERE id = ?", entry.id)
            return
        message.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?)",
            found.id,
            found.action,
            _name(found.by),
            found.at,
            _clean(found.ruling.note)[:_DETAIL_CHARACTERS],
        )
        number = self._pair(message, found.candidate)
        message.execute(_SAID_BY_PEOPLE, number)
        if found.rating is not None:
            self._rate(message, number, found.rating)

    def _letter(self, message: "_Message") -> None:
        received = message.received
        found = details(received)
        source = str(found["source"])
        if "?" in source:  # its headers name no message: each is one of its own
            source = f"?@{received.at}"
        message.execute(
            "INSERT OR IGNORE INTO letters"
            ' (partition, "offset", stage, source, exception, message, stacktrace, key, value,'
            " headers, at, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            received.partition,
            received.offset,
            _name(str(found["stage"])),
            _name(source),
            _name(str(found["exception"])),
            _clean(str(found["message"]))[:_DETAIL_CHARACTERS],
            _clean(str(found["stacktrace"]))[:_LETTER_BYTES],
            (received.key or b"")[:_LETTER_BYTES],
            (received.value or b"")[:_LETTER_BYTES],
            _clean(json.dumps(found["headers"], ensure_ascii=False))[:_LETTER_BYTES],
            message.at,
            len(received.key or b"") + len(received.value or b""),
        )
        if message.changed:
            message.count(_name(str(found["stage"])), DEAD_LETTERS)

    def _release(self, message: "_Message") -> None:
        found: dict[str, Release] = {}
        fold(found, message.received, self._reader, self._clock())
        for release in found.values():
            message.execute(
                "INSERT OR REPLACE INTO releases VALUES (?, ?, ?, ?)",
                release.id,
                release.term,
                release.announced_at,
                release.model_dump_json(),
            )
        if message.received.value is None and message.received.undecodable is None:
            id = (message.received.key or b"").decode(errors="replace")
            message.execute("DELETE FROM releases WHERE id = ?", id)


class _Message:
    """A message and the connection that its rows go to."""

    def __init__(self, writer: sqlite3.Connection, received: Received, at: float) -> None:
        self._writer = writer
        self.received = received
        self.at = at
        self.changed = 0
        """Rows that the last statement changed."""

    def execute(self, statement: str, *values: object) -> None:
        self.changed = self._writer.execute(statement, values).rowcount

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._writer.execute(query, values).fetchone()
        return found

    def one(self, query: str, *values: object) -> Any:
        """The first value of the first row, or None."""
        row = self.row(query, *values)
        return None if row is None else row[0]

    def numbers(self, query: str, *values: object) -> list[int]:
        return [number for (number,) in self._writer.execute(query, values).fetchall()]

    def count(self, stage: str, topic: Topic, things: int = 1) -> None:
        """Count what a stage wrote."""
        self._writer.execute(
            "INSERT INTO written VALUES (?, ?, ?) ON CONFLICT (stage, topic)"
            " DO UPDATE SET count = min(count + excluded.count, 1 << 60)",
            (_name(stage), topic.name, min(things, _MOST_THINGS)),
        )

    def write_texts(self, number: int, instruction: str, context: str, response: str) -> None:
        """Write the texts of an item, and what they are found by."""
        new = (instruction, context, response)
        row = self.row("SELECT instruction, context, response FROM texts WHERE number = ?", number)
        if row is not None:
            if tuple(row) == new:
                return
            self._writer.execute(
                "INSERT INTO search (search, rowid, instruction, context, response)"
                " VALUES ('delete', ?, ?, ?, ?)",
                (number, *row),
            )
        self._writer.execute("INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?)", (number, *new))
        self._writer.execute(
            "INSERT INTO search (rowid, instruction, context, response) VALUES (?, ?, ?, ?)",
            (number, *new),
        )


def _packed(record: Record) -> bytes:
    return zlib.compress(record.model_dump_json().encode(), 1)


def _kind_of(refused: Rejection) -> Kind:
    if refused.stage == "segmenter":
        return Kind.DOCUMENT
    if refused.id == refused.segment_id:
        return Kind.PASSAGE
    if refused.id == refused.request_id:
        return Kind.REQUEST
    return Kind.EXAMPLE


def _clean(text: str) -> str:
    """A text that can be written: half a surrogate pair becomes a question mark."""
    return text.encode(errors="replace").decode()


def _name(text: str | None) -> str:
    return _clean((text or "")[:_NAME_CHARACTERS])


def _text(text: str | None) -> str:
    return _clean((text or "")[:TEXT_CHARACTERS])
