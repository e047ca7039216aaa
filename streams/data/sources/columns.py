"""Rows of JSON and Parquet as documents."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import SourceError
from schemas.ids import document_id
from schemas.records import Document
from schemas.wire import MAX_BYTES, TEXT_TYPES

_ENVELOPE_BYTES = 512
"""Bytes that the record of a document adds to its fields."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names that each field may have in a row. The first one that is not null counts."""

    text: tuple[str, ...] = ("text", "content", "body")
    source: tuple[str, ...] = ("source", "url")
    title: tuple[str, ...] = ("title",)
    context: tuple[str, ...] = ("context",)
    media_type: tuple[str, ...] = ("media_type",)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, in order."""
        return self.text + self.source + self.title + self.context + self.media_type


ANY_COLUMNS = Columns()
"""The usual names."""


def document_of(row: object, where: str, columns: Columns) -> Document | SourceError:
    """A row as a document. ``where`` is its position, and its source if it names none."""
    if not isinstance(row, Mapping):
        return SourceError(
            f"{where}: a row must be an object with a {columns.text[0]!r}, not {type(row).__name__}"
        )
    fields: dict[str, str | None] = {}
    for field in ("text", "source", "title", "context", "media_type"):
        names: tuple[str, ...] = getattr(columns, field)
        value = next((row[name] for name in names if row.get(name) is not None), None)
        if value is not None and not isinstance(value, str):
            return SourceError(f"{where}: {field} is {type(value).__name__} where text is wanted")
        fields[field] = value
    text = fields["text"]
    if text is None:
        return SourceError(
            f"{where}: no {' or '.join(map(repr, columns.text))} in the row; name the text's column"
        )
    return make_document(
        text,
        source=fields["source"] or where,
        where=where,
        media_type=fields["media_type"] or "text/plain",
        title=fields["title"] or None,
        context=fields["context"] or None,
    )


def make_document(
    text: str,
    *,
    source: str,
    where: str,
    media_type: str,
    title: str | None = None,
    context: str | None = None,
) -> Document | SourceError:
    """A document, or an error: no text, an unsupported media type, or too many bytes."""
    if not text.strip():
        return SourceError(f"{where}: no text in it")
    if media_type not in TEXT_TYPES:
        return SourceError(
            f"{where}: media type {media_type!r} is not one of {', '.join(TEXT_TYPES)}"
        )
    try:
        size = _ENVELOPE_BYTES + sum(
            len(part.encode()) for part in (text, source, title or "", context or "")
        )
    except UnicodeEncodeError:
        return SourceError(
            f"{where}: the text holds half of a surrogate pair, which is no character; write "
            "it anew as UTF-8"
        )
    if size > MAX_BYTES:
        return too_large(where, size)
    return Document(
        id=document_id(source, text),
        source=source,
        text=text,
        media_type=media_type,
        title=title,
        context=context,
    )


def too_large(where: str, size: int, at_least: bool = False) -> SourceError:
    """The error for a document over the limit; ``size`` in bytes."""
    more = "more than " if at_least else ""
    return SourceError(
        f"{where}: a document of {more}{size:,} bytes is over the limit of {MAX_BYTES:,}: split it"
    )
