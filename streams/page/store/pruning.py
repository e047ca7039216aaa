"""Bounds of the file: the oldest of what is not accepted goes first."""

import sqlite3
from dataclasses import dataclass

_OF_ITEMS = ("texts", "pairs", "ratings", "refusals", "items")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows are kept. Accepted items and those that people decided about are always."""

    items: int = 1_000_000
    passages: int = 1_000_000
    documents: int = 1_000_000
    letters: int = 10_000


LIMITS = Limits()


def prune(writer: sqlite3.Connection, limits: Limits) -> bool:
    """Delete what is beyond the limits, within the writer's transaction; return if any was."""
    pruned = _prune_items(writer, limits.items)
    for table, most in (
        ("passages", limits.passages),
        ("documents", limits.documents),
        ("requests", limits.documents),
        ("letters", limits.letters),
    ):
        if (surplus := _count(writer, table) - most) > 0:
            writer.execute(
                f"DELETE FROM {table} WHERE rowid IN"
                f" (SELECT rowid FROM {table} ORDER BY rowid LIMIT ?)",
                (surplus,),
            )
            pruned = True
    return pruned


def _prune_items(writer: sqlite3.Connection, most: int) -> bool:
    surplus = _count(writer, "items") - most
    if surplus <= 0:
        return False
    writer.execute("CREATE TEMP TABLE pruned (number INTEGER PRIMARY KEY)")
    writer.execute(
        "INSERT INTO pruned SELECT number FROM items"
        " WHERE verdict IN ('refused', 'waiting') AND decision = '' ORDER BY at LIMIT ?",
        (surplus,),
    )
    chosen = _count(writer, "pruned")
    writer.execute(
        "INSERT INTO search (search, rowid, instruction, context, response)"
        " SELECT 'delete', number, indexed(instruction), indexed(context), indexed(response)"
        " FROM texts JOIN pruned USING (number)"
    )
    for table in _OF_ITEMS:
        writer.execute(f"DELETE FROM {table} WHERE number IN (SELECT number FROM pruned)")
    writer.execute("DROP TABLE pruned")
    return chosen > 0


def _count(writer: sqlite3.Connection, table: str) -> int:
    return int(writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
