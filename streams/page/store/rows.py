"""The rows of one message, and how texts are cut on their way into them."""

import sqlite3
from collections import Counter
from typing import Any

from streams.kafka.messages import Received
from streams.kafka.topics import Topic
from streams.page.store.item_views import TEXT_CHARACTERS

NAME_CHARACTERS = 1_000
"""Longest source, title, code or name."""
DETAIL_CHARACTERS = 2_000
MOST_THINGS = 1_000_000_000
"""Largest number of things in one message that is counted."""
Written = Counter[tuple[str, str]]
"""What stages wrote, by stage and topic."""


class Rows:
    """A message and the connection that its rows go to."""

    def __init__(
        self, writer: sqlite3.Connection, received: Received, at: float, written: Written
    ) -> None:
        self._writer = writer
        self._written = written
        self.received = received
        self.at = at
        self.changed = 0
        """Rows that the last statement changed."""

    def execute(self, statement: str, *values: object) -> None:
        """Run a statement that changes rows."""
        self.changed = self._writer.execute(statement, values).rowcount

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """The first row, or None."""
        found: sqlite3.Row | None = self._writer.execute(query, values).fetchone()
        return found

    def one(self, query: str, *values: object) -> Any:
        """The first value of the first row, or None."""
        row = self.row(query, *values)
        return None if row is None else row[0]

    def numbers(self, query: str, *values: object) -> list[int]:
        """The first value of every row."""
        return [number for (number,) in self._writer.execute(query, values).fetchall()]

    def count(self, stage: str, topic: Topic, things: int = 1) -> None:
        """Count what a stage wrote."""
        self._written[name_of(stage), topic.name] += min(things, MOST_THINGS)

    def write_texts(self, number: int, instruction: str, context: str, response: str) -> None:
        """Write the texts of an item, and what they are found by."""
        write_texts(self._writer, number, instruction, context, response)


def write_texts(
    writer: sqlite3.Connection, number: int, instruction: str, context: str, response: str
) -> None:
    """Write the texts of an item, and what they are found by."""
    new = (instruction, context, response)
    row = writer.execute(
        "SELECT instruction, context, response FROM texts WHERE number = ?", (number,)
    ).fetchone()
    if row is not None:
        if tuple(row) == new:
            return
        writer.execute(
            "INSERT INTO search (search, rowid, instruction, context, response)"
            " VALUES ('delete', ?, indexed(?), indexed(?), indexed(?))",
            (number, *row),
        )
    writer.execute("INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?)", (number, *new))
    writer.execute(
        "INSERT INTO search (rowid, instruction, context, response)"
        " VALUES (?, indexed(?), indexed(?), indexed(?))",
        (number, *new),
    )


def clean(text: str) -> str:
    """A text that can be written: half a surrogate pair becomes a question mark."""
    return text.encode(errors="replace").decode()


def name_of(text: str | None) -> str:
    """A short text as it is written; empty for None."""
    return clean((text or "")[:NAME_CHARACTERS])


def text_of(text: str | None) -> str:
    """A text as it is written; empty for None."""
    return clean((text or "")[:TEXT_CHARACTERS])
