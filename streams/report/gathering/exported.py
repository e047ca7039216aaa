"""Examples of an exported file, in every shape that has an instruction and a response."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.seeds.shapes import NotAPair, Reading, exchanges
from schemas.conversations import NotAConversation
from schemas.errors import BackstreamError, SourceError
from schemas.ids import seed_id
from schemas.records import ExampleOrigin, Provenance
from schemas.tables import PARQUET_MARK, parquet_rows
from schemas.text import Row, clean, decompressed, name_of, read_rows
from schemas.wire import MAX_ROW_BYTES
from streams.report.gathering.gathered import Gathered
from streams.report.gathering.item import Item, make_item

_LONGEST_NAME = 1000
_MOST_ERRORS = 10


def read_exported(file: Path) -> Iterator[Item | SourceError]:
    """Yield the examples of JSON lines or Parquet, and an error for each row that is none.

    Columns that ``export`` writes beside the pair are used where they are there: id, score, origin,
    category, language, source, release, document_id, segment_id, headings. Of a chat, the last
    exchange is the pair.
    """
    name = name_of(file)
    try:
        with file.open("rb") as opened:
            stream = decompressed(opened, name, lambda text: None)
            if stream.peek(len(PARQUET_MARK)).startswith(PARQUET_MARK):
                rows = parquet_rows(opened, name, lambda columns: columns)
            else:
                rows = read_rows(stream, name, MAX_ROW_BYTES, lines=True)
            for row in rows:
                yield row if isinstance(row, SourceError) else _item(row)
    except SourceError as error:
        yield error
    except OSError as error:
        yield SourceError(f"{name}: cannot be read: {error.strerror or error}")


def gather_exported(file: Path) -> tuple[Gathered, list[str]]:
    """The examples of a file, each id once, and what could not be read, named.

    Raises BackstreamError where there is no example.
    """
    items: dict[str, Item] = {}
    errors, failed = list[str](), 0
    for one in read_exported(file):
        if isinstance(one, SourceError):
            failed += 1
            if len(errors) < _MOST_ERRORS:
                errors.append(str(one))
        else:
            items[one.id] = one
    if not items:
        raise BackstreamError(errors[0] if errors else f"{file} has no row")
    if failed > len(errors):
        errors.append(f"and {failed - len(errors):,} more")
    return Gathered(about=name_of(file.name), items=list(items.values())), errors


def _item(row: Row) -> Item | SourceError:
    try:
        if not isinstance(row.value, Mapping):
            raise NotAPair(f"it is {type(row.value).__name__}, not an object")
        *_, pair = exchanges(row.value, Reading())
        asked, answered = clean(str(pair.asked or "")), clean(str(pair.answered or ""))
        if not asked.strip() or not answered.strip():
            raise NotAPair("its instruction or its response is empty")
        return _of_row(row.value, asked, clean(str(pair.context or "")), answered, pair.turns)
    except (NotAPair, NotAConversation) as error:
        return SourceError(f"{row.place}: not an example: {error}")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        return SourceError(f"{row.place}: not an example: {type(error).__name__}: {error}")


def _of_row(row: Mapping[str, Any], asked: str, context: str, answered: str, turns: Any) -> Item:
    made = Provenance(
        source=_text(row, "source"),
        document_id=_text(row, "document_id"),
        segment_id=_text(row, "segment_id"),
        headings=_texts(row.get("headings")),
        language=_text(row, "language") or None,
        generator=_text(row, "generator"),
        release=_text(row, "release"),
    )
    id = _text(row, "id") or seed_id(asked, context, answered, [turn.text for turn in turns])
    score = row.get("score")
    rated = isinstance(score, int | float) and 1 <= score <= 5
    return make_item(
        id,
        asked,
        context,
        answered,
        turns,
        made,
        score=float(score) if rated and score else None,
        category=_text(row, "category"),
        seed=row.get("origin") == ExampleOrigin.SEED.value,
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return clean(value[:_LONGEST_NAME]) if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    """A list of texts, or the JSON of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return (value,) if value else ()
    return tuple(clean(str(one)) for one in value) if isinstance(value, list) else ()
