"""Messages of the topics as rows.

Each topic is read on its own, so that a rejection may come before the pair that it refuses. The
rows are the same in whatever order the topics are read, and whether a message comes once or twice,
but for the numbers of ``written``, which count messages.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from schemas.errors import WireError
from schemas.record import Record
from schemas.records import (
    Bootstrap,
    Candidate,
    Decision,
    Example,
    HumanRating,
    Question,
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
from streams.page.store.origins import write_document, write_rejection, write_request, write_segment
from streams.page.store.pairs import (
    write_candidate,
    write_decision,
    write_example,
    write_human_rating,
    write_scored,
)
from streams.page.store.rows import DETAIL_CHARACTERS, Rows, Written, clean, name_of
from streams.releases.announcements import fold

R = TypeVar("R", bound=Record)
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
_LETTER_BYTES = 16_384
"""Most bytes of a dead letter's key, and of its value, that are kept."""


class Folder:
    """Writes messages to the tables of one cluster."""

    def __init__(
        self, cluster: Cluster, reader: RecordReader, clock: Callable[[], float] = time.time
    ) -> None:
        self._reader = reader
        self._clock = clock
        handlers: Mapping[Topic, Callable[[Rows], None]] = {
            DOCUMENTS: self._document,
            SEGMENTS: partial(self._record, Segment, write_segment),
            BOOTSTRAPS: partial(self._record, Bootstrap, write_request),
            QUESTIONS: partial(self._record, Question, write_request),
            CANDIDATES: partial(self._record, Candidate, write_candidate),
            SCORED: partial(self._record, Scored, write_scored),
            CURATED: partial(self._entry, Example, write_example),
            RATINGS: partial(self._entry, HumanRating, write_human_rating),
            DECISIONS: partial(self._entry, Decision, write_decision),
            REJECTED: partial(self._record, Rejection, write_rejection),
            DEAD_LETTERS: self._letter,
            RELEASES: self._release,
        }
        self._handlers = {cluster.topic(topic): handle for topic, handle in handlers.items()}

    def fold(self, writer: sqlite3.Connection, messages: Iterable[Received]) -> None:
        """Write messages, and the offsets after them, within the writer's transaction."""
        now, reached, written = self._clock(), dict[tuple[str, int], int](), Written()
        for received in messages:
            at = min(max((received.timestamp_ms or 0) / 1000, 0.0), now + _AHEAD_SECONDS)
            try:
                self._handlers[received.topic](Rows(writer, received, at, written))
            except (ValueError, OverflowError, sqlite3.DataError) as error:
                self._reader.pass_over(received, received.topic, error)
            reached[received.topic, received.partition] = received.offset + 1
        writer.executemany(
            "INSERT INTO offsets VALUES (?, ?, ?)"
            " ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next",
            [(*place, offset) for place, offset in reached.items()],
        )
        writer.executemany(
            "INSERT INTO written VALUES (?, ?, ?) ON CONFLICT (stage, topic)"
            " DO UPDATE SET count = min(count + excluded.count, 1 << 60)",
            [(*place, min(count, 1 << 60)) for place, count in written.items()],
        )

    def _record(self, kind: type[R], write: Callable[[Rows, R], None], rows: Rows) -> None:
        if (record := self._reader.read_record(rows.received, kind)) is not None:
            write(rows, record)

    def _entry(
        self, kind: type[R], write: Callable[[Rows, str, R | None], None], rows: Rows
    ) -> None:
        """Write what a compacted topic says about an id."""
        if (entry := self._reader.read_entry(rows.received, kind)) is not None:
            write(rows, entry.id, entry.record)

    def _document(self, rows: Rows) -> None:
        received = rows.received
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
        write_document(rows, found)

    def _letter(self, rows: Rows) -> None:
        received = rows.received
        found = details(received)
        source = str(found["source"])
        if "?" in source:  # its headers name no message: each is one of its own
            source = f"?@{received.at}"
        rows.execute(
            "INSERT OR IGNORE INTO letters"
            ' (partition, "offset", stage, source, exception, message, stacktrace, key, value,'
            " headers, at, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            received.partition,
            received.offset,
            name_of(str(found["stage"])),
            name_of(source),
            name_of(str(found["exception"])),
            clean(str(found["message"]))[:DETAIL_CHARACTERS],
            clean(str(found["stacktrace"]))[:_LETTER_BYTES],
            (received.key or b"")[:_LETTER_BYTES],
            (received.value or b"")[:_LETTER_BYTES],
            clean(json.dumps(found["headers"], ensure_ascii=False))[:_LETTER_BYTES],
            rows.at,
            len(received.key or b"") + len(received.value or b""),
        )
        if rows.changed:
            rows.count(name_of(str(found["stage"])), DEAD_LETTERS)

    def _release(self, rows: Rows) -> None:
        found: dict[str, Release] = {}
        fold(found, rows.received, self._reader, self._clock())
        for release in found.values():
            rows.execute(
                "INSERT OR REPLACE INTO releases VALUES (?, ?, ?, ?)",
                release.id,
                release.term,
                release.announced_at,
                release.model_dump_json(),
            )
        if rows.received.value is None and rows.received.undecodable is None:
            id = (rows.received.key or b"").decode(errors="replace")
            rows.execute("DELETE FROM releases WHERE id = ?", id)
