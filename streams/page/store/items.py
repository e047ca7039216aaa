"""Lists of items: filters as SQL, and pages by the key of the last item."""

import base64
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence

from schemas.errors import QueryError
from streams.page.store.filters import (
    LARGEST_PAGE,
    Filter,
    Human,
    Kind,
    Order,
    Page,
    PageRequest,
    Verdict,
)
from streams.page.store.item_views import PREVIEW_CHARACTERS, Facets, Item, ReasonCount
from streams.page.store.search import match_of

_MOST_VALUES = 200
_REFUSED = (Verdict.REFUSED, Verdict.DROPPED)
_ROWS = f"""
SELECT i.*,
    substr(coalesce(t.instruction, ''), 1, {PREVIEW_CHARACTERS}) AS instruction,
    substr(coalesce(t.response, ''), 1, {PREVIEW_CHARACTERS}) AS response
FROM items i LEFT JOIN texts t USING (number)
"""
_ORDERS = {
    Order.NEWEST: ("i.at", "DESC"),
    Order.OLDEST: ("i.at", "ASC"),
    Order.BEST: ("coalesce(i.score, 0.0)", "DESC"),
    Order.WORST: ("coalesce(i.score, 9.0)", "ASC"),
}


def page_of(database: sqlite3.Connection, filter: Filter, page: PageRequest) -> Page[Item]:
    """See ``Store.items``."""
    where, values = condition_of(filter)
    [total] = database.execute(f"SELECT count(*) FROM items i WHERE {where}", values).fetchone()
    key, direction = _ORDERS[page.order]
    size = min(max(1, page.size), LARGEST_PAGE)
    if page.after is not None:
        where += f" AND ({key}, i.number) {'<' if direction == 'DESC' else '>'} (?, ?)"
        values = [*values, *read_cursor(page.after)]
    # The rows themselves are read for one page only: a sort would carry their texts along.
    keys = database.execute(
        f"SELECT {key}, i.number FROM items i WHERE {where}"
        f" ORDER BY {key} {direction}, i.number {direction} LIMIT ?",
        [*values, size + 1],
    ).fetchall()
    shown = [number for _, number in keys[:size]]
    rows = {
        row["number"]: row
        for row in database.execute(
            f"{_ROWS} WHERE i.number IN (SELECT value FROM json_each(?))", (json.dumps(shown),)
        )
    }
    return Page(
        tuple(item_of(rows[number]) for number in shown),
        total,
        cursor(*keys[size - 1]) if len(keys) > size else None,
    )


def find(database: sqlite3.Connection, id: str) -> sqlite3.Row | None:
    """The row of an item, as ``item_of`` reads it. None where there is none of this id."""
    row: sqlite3.Row | None = database.execute(f"{_ROWS} WHERE i.id = ?", (id,)).fetchone()
    return row


def item_of(row: sqlite3.Row) -> Item:
    """An item of a row of ``items`` with the beginning of its texts."""
    verdict = Verdict(row["verdict"])
    refused = verdict in _REFUSED
    return Item(
        id=row["id"],
        kind=Kind(row["kind"]),
        verdict=verdict,
        at=row["at"],
        stage=row["stage"] if refused else "",
        reason=row["reason"] if refused else "",
        detail=row["detail"] if refused else "",
        count=row["count"] if refused else 1,
        score=row["score"],
        human_score=row["human_score"],
        decision=row["decision"],
        by=row["by"],
        awaited=bool(row["awaited"]),
        source=row["source"],
        category=row["category"],
        language=row["language"],
        generator=row["generator"],
        release=row["release"],
        instruction=row["instruction"],
        response=row["response"],
    )


def reasons_of(database: sqlite3.Connection, filter: Filter) -> tuple[ReasonCount, ...]:
    """See ``Store.reasons``."""
    where, values = condition_of(filter)
    rows = database.execute(
        "SELECT stage, reason, count(*), sum(count) FROM items i"
        f" WHERE {where} AND i.verdict = 'refused' AND i.stage <> ''"
        " GROUP BY stage, reason ORDER BY 4 DESC, 1, 2 LIMIT ?",
        [*values, _MOST_VALUES],
    )
    return tuple(ReasonCount(*row) for row in rows)


def facets_of(database: sqlite3.Connection) -> Facets:
    """See ``Store.facets``."""
    # One pass over the index for all columns of few values, whose combinations are few as well.
    columns = ("verdict", "stage", "reason", "category", "language", "generator", "decision")
    found: dict[str, Counter[str]] = {column: Counter() for column in columns}
    grouped = ", ".join(columns)
    for *row, count in database.execute(
        f"SELECT {grouped}, count(*) FROM items GROUP BY {grouped}"
    ):
        values = dict(zip(columns, row, strict=True))
        if values["verdict"] not in _REFUSED:
            values["stage"] = ""
        for column, value in values.items():
            if value:
                found[column][value] += count
    sources = database.execute(
        "SELECT source, count(*) FROM items WHERE source <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
        " LIMIT ?",
        (_MOST_VALUES,),
    )
    first = {
        column: dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_VALUES])
        for column, counts in found.items()
    }
    return Facets(
        verdicts=first["verdict"],
        stages=first["stage"],
        sources=dict(sources.fetchall()),
        categories=first["category"],
        languages=first["language"],
        generators=first["generator"],
        decisions=first["decision"],
    )


def cursor(key: float, number: int) -> str:
    """The key of the last row of a page, as text."""
    return base64.urlsafe_b64encode(json.dumps([key, number]).encode()).decode()


def read_cursor(text: str) -> tuple[float, int]:
    """The key that ``cursor`` wrote. Raises QueryError for any other text."""
    try:
        key, number = json.loads(base64.urlsafe_b64decode(text.encode()))
        if not isinstance(number, int) or not 0 <= number < 2**63:
            raise ValueError(number)
        return float(key), number
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise QueryError("there is no such page: go back to the first one") from error


def condition_of(filter: Filter) -> tuple[str, list[object]]:
    """What the filter asks for, of ``items i``, and the values of its parameters."""
    parts, values = ["1"], list[object]()

    def ask(condition: str, *parameters: object) -> None:
        parts.append(condition)
        values.extend(parameters)

    for column in ("verdict", "kind", "category", "language", "generator", "release"):
        if (value := getattr(filter, column)) is not None:
            ask(f"i.{column} = ?", str(value))
    for column in ("stage", "reason"):
        if (value := getattr(filter, column)) is not None:
            ask(f"i.{column} = ? AND i.verdict IN ('refused', 'dropped')", value)
    if filter.document_id is not None:
        # The index has no empty ids, and is used only where the query says that too.
        ask("i.document_id = ? AND i.document_id <> ''", filter.document_id)
    if filter.min_score is not None:
        ask("i.score >= ?", filter.min_score)
    if filter.max_score is not None:
        ask("i.score <= ?", filter.max_score)
    if filter.source == "":
        ask("i.source = ''")
    elif filter.source is not None:
        escaped = re.sub(r"([\\%_])", r"\\\1", filter.source)
        ask(r"i.source LIKE ? ESCAPE '\'", f"%{escaped}%")
    if filter.human is not None:
        ask(*_human(filter.human))
    if filter.text is not None and (query := match_of(filter.text)) is not None:
        # Rows are walked in order until a page is full, and not fetched by their numbers: the plus
        # says so. A frequent word has most of all numbers.
        ask("+i.number IN (SELECT rowid FROM search WHERE search MATCH ?)", query)
    elif filter.text is not None and filter.text.strip():
        ask("0")  # nothing in it is a word
    return " AND ".join(parts), values


def _human(human: Human) -> Sequence[str]:
    match human:
        case Human.NONE:
            return ("i.decision = '' AND i.human_score IS NULL",)
        case Human.RATED:
            return ("i.human_score IS NOT NULL",)
        case Human.DECIDED:
            return ("i.decision <> ''",)
        case _:
            return ("i.decision = ?", human.value)
