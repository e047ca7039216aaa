"""Texts of passages that the segmenter refused: which are not known yet, and those that are."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from streams.page.store.filters import Filter, Kind
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.page.store.items import condition_of
from streams.page.store.rows import name_of, text_of, write_texts

_PASSAGES = f"i.kind = '{Kind.DOCUMENT}' AND i.id <> i.document_id AND i.document_id <> ''"
_UNKNOWN = f"{_PASSAGES} AND i.sought < 2"
"""Has the terms of the index ``items_sought``, which is used only where the query has them."""


def documents_to_cut(database: sqlite3.Connection, most: int) -> tuple[DocumentPlace, ...]:
    """Documents whose refused passages were not looked for yet, those of the newest items first."""
    rows = database.execute(
        'SELECT d.id, d.source, d.title, d.media_type, d.bytes, d.partition, d."offset", 0, 0'
        f" FROM items i INDEXED BY items_sought JOIN documents d ON d.id = i.document_id"
        f" WHERE {_UNKNOWN} AND i.sought = 0"
        " GROUP BY d.id ORDER BY max(i.at) DESC LIMIT ?",
        (most,),
    )
    return tuple(DocumentPlace(*row) for row in rows)


def write_refused_texts(
    writer: sqlite3.Connection, document_id: str, passages: Sequence[RefusedPassage]
) -> None:
    """Write what was found of the refused passages of a document, within a transaction."""
    found: dict[str, list[RefusedPassage]] = {}
    for passage in passages:
        found.setdefault(passage.id, []).append(passage)
    rows = writer.execute(
        f"SELECT i.number, i.id FROM items i WHERE {_PASSAGES} AND i.document_id = ?",
        (document_id,),
    ).fetchall()
    for number, id in rows:
        parts = found.get(id, [])  # several are too short, and share an item
        if parts:
            write_texts(writer, number, "", "", text_of("\n\n".join(part.text for part in parts)))
        writer.execute(
            "UPDATE items SET sought = max(sought, ?) WHERE number = ?", (2 if parts else 1, number)
        )
        if languages := Counter(part.language for part in parts if part.language):
            [(language, _)] = languages.most_common(1)
            writer.execute(
                "UPDATE items SET language = ? WHERE number = ?", (name_of(language), number)
            )


def unsearched(database: sqlite3.Connection, filter: Filter) -> int:
    """See ``Store.unsearched``."""
    if filter.text is None and filter.language is None:
        return 0
    where, values = condition_of(replace(filter, text=None, language=None))
    [count] = database.execute(
        f"SELECT count(*) FROM items i INDEXED BY items_sought WHERE {_UNKNOWN} AND {where}",
        values,
    ).fetchone()
    return int(count)
