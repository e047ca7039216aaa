"""Documents, passages, requests, and what was refused of them, as rows."""

import json
import math

from schemas.records import Bootstrap, Document, Question, Rejection, Segment
from streams.kafka.topics import REJECTED, SEGMENTS
from streams.page.store.filters import Kind
from streams.page.store.rows import (
    DETAIL_CHARACTERS,
    MOST_THINGS,
    NAME_CHARACTERS,
    Rows,
    name_of,
    text_of,
)

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


def write_document(rows: Rows, found: Document) -> None:
    """Write a document without its text, which need not have been decoded."""
    received = rows.received
    source = name_of(found.source)
    rows.execute(
        "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
        found.id,
        source,
        name_of(found.title),
        name_of(found.media_type),
        len(received.value or b""),
        received.partition,
        received.offset,
    )
    rows.execute(
        "UPDATE items SET source = ? WHERE document_id = ? AND document_id <> '' AND source = ''",
        source,
        found.id,
    )


def write_segment(rows: Rows, found: Segment) -> None:
    """Write a passage."""
    rows.count("segmenter", SEGMENTS)
    data = {
        "headings": [name_of(heading) for heading in found.headings],
        "neighbours": [name_of(heading) for heading in found.neighbours],
        "context": text_of(found.context),
    }
    source, language, text = name_of(found.source), name_of(found.language), text_of(found.text)
    rows.execute(
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
    for number in rows.numbers(
        "SELECT number FROM items WHERE segment_id = ? AND segment_id <> ''"
        " AND number NOT IN (SELECT number FROM pairs)",
        found.id,
    ):
        _show_passage(rows, number, source, language, text)


def write_request(rows: Rows, request: Bootstrap | Question) -> None:
    """Write a request. A bootstrap asks for an instruction, and so has none."""
    id, source = request.id, name_of(request.source)
    instruction = text_of(request.instruction) if isinstance(request, Question) else ""
    rows.execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", id, source, instruction)
    for number in rows.numbers("SELECT number FROM items WHERE id = ? AND kind = 'request'", id):
        _show_passage(rows, number, source, "", instruction)


def write_rejection(rows: Rows, found: Rejection) -> None:
    """Write a refusal, and what is known of what was refused."""
    rows.count(found.stage, REJECTED, found.count)
    kind = _kind_of(found)
    number: int = rows.one(
        _REFUSED,
        found.id,
        kind,
        rows.at,
        found.document_id[:NAME_CHARACTERS],
        found.segment_id[:NAME_CHARACTERS],
        found.request_id[:NAME_CHARACTERS],
    )
    score = found.score
    rows.execute(
        "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (number, stage) DO UPDATE SET reason = excluded.reason,"
        " detail = excluded.detail, count = excluded.count, release = excluded.release,"
        " score = excluded.score, at = excluded.at WHERE excluded.at >= at",
        number,
        name_of(found.stage),
        name_of(found.reason),
        found.detail[:DETAIL_CHARACTERS],
        min(found.count, MOST_THINGS),
        name_of(found.release),
        score if score is not None and math.isfinite(score) else None,
        rows.at,
    )
    rows.execute(_NEWEST_REFUSAL, number)
    if rows.one("SELECT 1 FROM texts WHERE number = ?", number) is None:
        _show_refused(rows, number, found)


def _show_passage(rows: Rows, number: int, source: str, language: str, text: str) -> None:
    """Fill in what an item that never became a pair has of its passage."""
    rows.execute(
        "UPDATE items SET source = ?, language = ? WHERE number = ?", source, language, number
    )
    rows.write_texts(number, "", "", text)


def _show_refused(rows: Rows, number: int, refused: Rejection) -> None:
    """Fill in what is known of the passage, the request or the document that was refused."""
    row = rows.row(
        "SELECT source, language, text FROM passages WHERE id = ?", refused.segment_id
    ) or rows.row("SELECT source, '', instruction FROM requests WHERE id = ?", refused.request_id)
    if row is not None:
        _show_passage(rows, number, *row)
    elif source := rows.one("SELECT source FROM documents WHERE id = ?", refused.document_id):
        rows.execute("UPDATE items SET source = ? WHERE number = ?", source, number)


def _kind_of(refused: Rejection) -> Kind:
    if refused.stage == "segmenter":
        return Kind.DOCUMENT
    if refused.id == refused.segment_id:
        return Kind.PASSAGE
    if refused.id == refused.request_id:
        return Kind.REQUEST
    return Kind.EXAMPLE
