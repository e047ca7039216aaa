"""Pairs, their ratings, and what people said about them, as rows."""

import hashlib
import zlib

from schemas.record import Record
from schemas.records import (
    Candidate,
    Decision,
    Example,
    ExampleOrigin,
    HumanRating,
    Rating,
    Ruling,
    Scored,
)
from schemas.ruling import Texts
from streams.kafka.topics import CANDIDATES, CURATED, SCORED
from streams.page.store.rows import (
    DETAIL_CHARACTERS,
    NAME_CHARACTERS,
    Rows,
    clean,
    name_of,
    text_of,
)

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
    ),
    decided = coalesce((SELECT mark FROM decisions WHERE id = items.id), '')
WHERE number = ?
"""


def write_candidate(rows: Rows, candidate: Candidate) -> None:
    """Write a pair that is not rated yet."""
    rows.count(candidate.provenance.generator, CANDIDATES)
    _write_pair(rows, candidate)


def write_scored(rows: Rows, scored: Scored) -> None:
    """Write a pair and its rating."""
    number = _write_pair(rows, scored.candidate)
    known: int = rows.one("SELECT term FROM items WHERE number = ?", number)
    again = 0 <= known < scored.rating.term
    stage = "recurator" if again else "scorer"
    rows.count("decider" if scored.ruling else stage, SCORED)
    _write_rating(rows, number, scored.rating)


def write_example(rows: Rows, id: str, example: Example | None) -> None:
    """Write what ``curated`` has of an id now; None where it was retracted."""
    if example is None:
        # The record of the example stays: it has the other samples.
        rows.execute(
            "UPDATE items SET curated = 0, retracted = 1, ruled = '', at = max(at, ?) WHERE id = ?",
            rows.at,
            id,
        )
        _show_texts(rows, id)
        return
    if example.origin is not ExampleOrigin.SEED:
        rows.count("curator", CURATED)
    number = _write_pair(rows, example)
    rows.execute(
        "UPDATE items SET curated = 1, retracted = 0, ruled = ? WHERE number = ?",
        _mark(example.ruling) if example.ruling else "",
        number,
    )
    if example.rating is not None:
        _write_rating(rows, number, example.rating)


def write_human_rating(rows: Rows, id: str, rating: HumanRating | None) -> None:
    """Write a person's rating, or take it back."""
    rows.execute("DELETE FROM human_ratings WHERE id = ?", id)
    if rating is not None:
        rows.execute(
            "INSERT INTO human_ratings VALUES (?, ?, ?)",
            rating.id,
            rating.score,
            rating.model_dump_json(),
        )
    rows.execute(
        "UPDATE items SET human_score = ? WHERE id = ?", rating.score if rating else None, id
    )


def write_decision(rows: Rows, id: str, decision: Decision | None) -> None:
    """Write a person's decision with its pair, or take it back."""
    rows.execute("DELETE FROM decisions WHERE id = ?", id)
    if decision is None:
        rows.execute("UPDATE items SET decision = '', by = '', decided = '' WHERE id = ?", id)
        _show_texts(rows, id)
        return
    texts = decision.ruling.texts
    rows.execute(
        "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
        decision.id,
        decision.action,
        name_of(decision.by),
        decision.at,
        clean(decision.ruling.note)[:DETAIL_CHARACTERS],
        _mark(decision.ruling),
        texts.model_dump_json() if texts else None,
    )
    number = _write_pair(rows, decision.candidate, seed=decision.rating is None)
    rows.execute(_SAID_BY_PEOPLE, number)
    _show_texts(rows, id)
    if decision.rating is not None:
        _write_rating(rows, number, decision.rating)


def _write_pair(rows: Rows, pair: Candidate | Example, *, seed: bool = False) -> int:
    """Write a pair; return its number. What is on ``curated`` counts more than a candidate."""
    origin, curated = pair.provenance, isinstance(pair, Example)
    known = rows.row(
        "SELECT p.number, p.candidate IS NOT NULL, p.example IS NOT NULL"
        " FROM items i JOIN pairs p USING (number) WHERE i.id = ?",
        pair.id,
    )
    if known is not None and known[1] and not curated:
        return int(known[0])
    seed = seed or (isinstance(pair, Example) and pair.origin is ExampleOrigin.SEED)
    number: int = rows.one(
        _PAIR,
        pair.id,
        rows.at,
        name_of(origin.source),
        name_of(pair.category),
        name_of(origin.language),
        _SEED if seed else name_of(origin.generator),
        origin.document_id[:NAME_CHARACTERS],
        origin.segment_id[:NAME_CHARACTERS],
        origin.request_id[:NAME_CHARACTERS],
    )
    if known is None:
        rows.execute(_SAID_BY_PEOPLE, number)
    column = "example" if curated else "candidate"
    rows.execute(
        f"INSERT INTO pairs (number, {column}) VALUES (?, ?)"
        f" ON CONFLICT (number) DO UPDATE SET {column} = excluded.{column}",
        number,
        _packed(pair),
    )
    if curated or known is None or not known[2]:
        rows.write_texts(
            number, text_of(pair.instruction), text_of(pair.context), text_of(pair.response)
        )
    return number


def _show_texts(rows: Rows, id: str) -> None:
    """Show the texts that a pair has which is not curated: a person's until that is undone."""
    found = rows.row(
        "SELECT i.number, p.candidate, d.texts FROM items i JOIN pairs p USING (number)"
        " LEFT JOIN decisions d ON d.id = i.id AND d.action = 'drop'"
        " WHERE i.id = ? AND NOT i.curated AND i.decision IN ('', 'drop')"
        " AND p.candidate IS NOT NULL",
        id,
    )
    if found is None:
        return
    number, candidate, texts = found
    pair: Candidate | Texts
    if texts is not None:
        pair = Texts.model_validate_json(texts)
    else:
        pair = Candidate.model_validate_json(zlib.decompress(candidate))
    rows.write_texts(
        number, text_of(pair.instruction), text_of(pair.context), text_of(pair.response)
    )


def _mark(ruling: Ruling) -> str:
    """The same for a decision on ``decisions`` and for what follows from it."""
    made = ruling.model_copy(update={"order": 0}).model_dump_json()
    return hashlib.sha256(made.encode(errors="replace")).hexdigest()[:16]


def _write_rating(rows: Rows, number: int, rating: Rating) -> None:
    release = name_of(rating.release)
    rows.execute(
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
    rows.execute(
        "UPDATE items SET at = max(at, ?), score = ?, term = ?, release = ?"
        " WHERE number = ? AND term <= ?",
        rows.at,
        rating.score,
        rating.term,
        release,
        number,
        rating.term,
    )


def _packed(record: Record) -> bytes:
    return zlib.compress(record.model_dump_json().encode(), 1)
