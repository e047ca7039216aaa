"""Dead letters as lists and one by one."""

import json
import re
import sqlite3

from streams.page.store.filters import LARGEST_PAGE, Order, Page, PageRequest
from streams.page.store.items import cursor, read_cursor
from streams.page.store.stream_views import Letter, LetterDetails

_AT = re.compile(r"(\d{1,10})@(\d{1,18})")


def letters_of(database: sqlite3.Connection, page: PageRequest, stage: str | None) -> Page[Letter]:
    """See ``Store.letters``."""
    where, values = ("stage = ?", [stage]) if stage is not None else ("1", list[object]())
    [total] = database.execute(f"SELECT count(*) FROM letters WHERE {where}", values).fetchone()
    direction = "ASC" if page.order is Order.OLDEST else "DESC"
    size = min(max(1, page.size), LARGEST_PAGE)
    if page.after is not None:
        where += f" AND (at, number) {'>' if direction == 'ASC' else '<'} (?, ?)"
        values = [*values, *read_cursor(page.after)]
    rows = database.execute(
        f"SELECT * FROM letters WHERE {where} ORDER BY at {direction}, number {direction} LIMIT ?",
        [*values, size + 1],
    ).fetchall()
    shown = rows[:size]
    more = len(rows) > size
    return Page(
        tuple(map(_letter, shown)),
        total,
        cursor(shown[-1]["at"], shown[-1]["number"]) if more else None,
    )


def letter_of(database: sqlite3.Connection, at: str) -> LetterDetails | None:
    """See ``Store.letter``."""
    match = _AT.fullmatch(at)
    if match is None:
        return None
    row = database.execute(
        'SELECT * FROM letters WHERE partition = ? AND "offset" = ?', [*map(int, match.groups())]
    ).fetchone()
    if row is None:
        return None
    return LetterDetails(
        letter=_letter(row),
        stacktrace=row["stacktrace"],
        key=row["key"].decode(errors="replace"),
        value=row["value"].decode(errors="replace"),
        headers=json.loads(row["headers"]),
    )


def _letter(row: sqlite3.Row) -> Letter:
    return Letter(
        at=f"{row['partition']}@{row['offset']}",
        stage=row["stage"],
        source=row["source"],
        exception=row["exception"],
        message=row["message"],
        time=row["at"],
        bytes=row["bytes"],
    )
