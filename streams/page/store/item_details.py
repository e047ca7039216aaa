"""Everything about one item: its pair, ratings, refusals, passage, document and decisions."""

import json
import sqlite3
import zlib
from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from schemas.errors import StoreError
from schemas.record import Record
from schemas.records import Candidate, Example, ExampleOrigin, HumanRating, Rating, Scored
from schemas.ruling import Texts
from streams.data.decisions import candidate_of
from streams.page.store.item_views import (
    PREVIEW_CHARACTERS,
    TEXT_CHARACTERS,
    DocumentPlace,
    HumanDecision,
    ItemDetails,
    Passage,
    Refusal,
)
from streams.page.store.items import find, item_of

R = TypeVar("R", bound=Record)


def details_of(database: sqlite3.Connection, id: str) -> ItemDetails | None:
    """See ``Store.item``."""
    row = find(database, id)
    if row is None:
        return None
    try:
        return _details(database, row)
    except (ValidationError, ValueError) as error:
        raise StoreError(f"{id} cannot be read from the store: {error}") from error


def _details(database: sqlite3.Connection, row: sqlite3.Row) -> ItemDetails:
    item, number = item_of(row), row["number"]

    def one(query: str, key: object) -> sqlite3.Row | None:
        found: sqlite3.Row | None = database.execute(query, (key,)).fetchone()
        return found

    texts = one("SELECT instruction, context, response FROM texts WHERE number = ?", number)
    records = one("SELECT candidate, example FROM pairs WHERE number = ?", number)
    candidate_data, example_data = records or (None, None)
    candidate, example = _record(Candidate, candidate_data), _record(Example, example_data)
    written = example or candidate
    rows = database.execute(
        "SELECT release, data FROM ratings WHERE number = ? ORDER BY term, release", (number,)
    ).fetchall()
    by_release = {release: Rating.model_validate_json(data) for release, data in rows}
    rating = by_release.get(item.release)
    origin = written.provenance if written else None
    passage = _passage(database, row["segment_id"])
    decision = one("SELECT action, by, at, note, texts FROM decisions WHERE id = ?", item.id)
    human = one("SELECT data FROM human_ratings WHERE id = ?", item.id)
    instruction, context, response = texts or ("", "", "")
    return ItemDetails(
        item=item,
        instruction=instruction,
        context=context,
        response=response,
        turns=written.turns if written else (),
        headings=origin.headings if origin else passage.headings if passage else (),
        rating=rating,
        ratings=tuple(by_release.values()),
        refusals=_refusals(database, number),
        passage=passage,
        document=_document(database, row["document_id"]),
        alternatives=example.alternatives if example else (),
        original=origin.original if origin else None,
        exemplars=origin.exemplars if origin else (),
        request_id=row["request_id"],
        template=origin.template if origin else "",
        writer=origin.release if origin else "",
        decision=_decision(decision) if decision else None,
        human=HumanRating.model_validate_json(human["data"]) if human else None,
        pair=_pair(candidate, example, rating, row["curated"], decision is not None),
    )


def _pair(
    candidate: Candidate | None,
    example: Example | None,
    rating: Rating | None,
    curated: bool,
    decided: bool,
) -> Scored | Example | None:
    """See ``ItemDetails.pair``."""
    if example is not None and (curated or example.origin is ExampleOrigin.SEED):
        return example
    written = candidate or example
    if written is not None and rating is not None:
        pair = candidate_of(written) if isinstance(written, Example) else written
        return Scored(candidate=pair, rating=rating)
    if candidate is not None and decided:  # without a rating, a decision is about a human seed
        return candidate.as_seed()
    return None


def _decision(row: sqlite3.Row) -> HumanDecision:
    texts = Texts.model_validate_json(row["texts"]) if row["texts"] else None
    return HumanDecision(row["action"], row["by"], row["at"], row["note"], texts)


def _record(kind: type[R], data: bytes | None) -> R | None:
    return kind.model_validate_json(zlib.decompress(data)) if data else None


def _refusals(database: sqlite3.Connection, number: int) -> tuple[Refusal, ...]:
    rows = database.execute(
        "SELECT stage, reason, detail, count, release, score, at FROM refusals"
        " WHERE number = ? ORDER BY at DESC, stage",
        (number,),
    )
    return tuple(Refusal(*row) for row in rows)


def _passage(database: sqlite3.Connection, id: str) -> Passage | None:
    row = database.execute("SELECT * FROM passages WHERE id = ?", (id,)).fetchone()
    if row is None:
        return None
    data = json.loads(row["data"])
    [passages] = database.execute(
        "SELECT count(*) FROM passages WHERE document_id = ?", (row["document_id"],)
    ).fetchone()
    before, after = (
        _beginning(
            database.execute(
                f"SELECT text FROM passages WHERE document_id = ? AND position {sign} ?"
                f" ORDER BY position {order} LIMIT 1",
                (row["document_id"], row["position"]),
            ).fetchone()
        )
        for sign, order in (("<", "DESC"), (">", "ASC"))
    )
    return Passage(
        id=row["id"],
        document_id=row["document_id"],
        source=row["source"],
        position=row["position"],
        passages=passages,
        headings=tuple(data["headings"]),
        text=row["text"][:TEXT_CHARACTERS],
        context=data["context"],
        language=row["language"],
        neighbours=tuple(data["neighbours"]),
        previous=before,
        following=after,
    )


def _beginning(row: Sequence[str] | None) -> str:
    return row[0][:PREVIEW_CHARACTERS] if row else ""


def _document(database: sqlite3.Connection, id: str) -> DocumentPlace | None:
    row = database.execute(
        'SELECT id, source, title, media_type, bytes, partition, "offset" FROM documents'
        " WHERE id = ?",
        (id,),
    ).fetchone()
    if row is None:
        return None
    accepted, refused = database.execute(
        "SELECT total(verdict = 'accepted'), total((verdict = 'refused') * count) FROM items"
        " WHERE document_id = ? AND document_id <> ''",
        (id,),
    ).fetchone()
    return DocumentPlace(**dict(row), accepted=int(accepted), refused=int(refused))
