"""Rows of JSON and of tables as documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.seeds.shapes import NotAPair, check_columns, is_message
from schemas.conversations import (
    CHATS,
    TREE,
    NotAConversation,
    conversation_text,
    is_conversation,
)
from schemas.errors import DocumentTooLarge, NotText, SourceError
from schemas.ids import document_id
from schemas.records import Document
from schemas.text import TEXT_TYPES, clean, decode, is_blank, media_type_of
from schemas.text.media_types import CONVERSATION
from schemas.text.xhtml import is_xhtml, with_end_tags
from schemas.wire import MAX_BYTES

_ENVELOPE_BYTES = 512
"""Bytes that the record of a document adds to its fields."""
_MOST_NAMES = 10
"""Fields of a row or columns of a table that an error names."""
_LONGEST_NAME = 40
"""Characters of such a name; of a table without a header, they are cells."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names that each field may have in a row. The first one that is not null counts."""

    text: tuple[str, ...] = ("text", "content", "body", "page_content", "raw_content")
    source: tuple[str, ...] = ("source", "url")
    title: tuple[str, ...] = ("title",)
    context: tuple[str, ...] = ("context",)
    media_type: tuple[str, ...] = ("media_type",)
    advice: str = "name the text's with --text-column"
    """What an error says where a row has none of the names of the text."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, in order."""
        return self.text + self.source + self.title + self.context + self.media_type

    def choose(self, found: Sequence[str], name: str) -> list[str]:
        """Those of a table's columns that are read. Raises SourceError where none is the text's."""
        if not set(found) & set(self.text):
            chats = [name for name in (*CHATS, *TREE) if name in found]
            if set(chats) & set(CHATS) or set(TREE) <= set(chats):
                return [name for name in (*self.names, *chats) if name in found]
            wanted = " or ".join(map(repr, self.text))
            names = ", ".join(str(each)[:_LONGEST_NAME] for each in found[:_MOST_NAMES]) or "none"
            more = f" and {len(found) - _MOST_NAMES:,} more" if len(found) > _MOST_NAMES else ""
            raise SourceError(
                f"{name}: no column {wanted}; its columns are: {names}{more}. Name the text's with "
                "--text-column"
            )
        return [column for column in self.names if column in found]


ANY_COLUMNS = Columns()
"""The usual names."""


def document_of(
    row: object, where: str, columns: Columns, source: str | None = None
) -> Document | SourceError:
    """A row as a document. ``where`` is its position; ``source`` is used if the row names none.

    Without a ``source``, the position is used.
    """
    if not isinstance(row, Mapping):
        return SourceError(
            f"{where}: a row must be an object with a {columns.text[0]!r}, not {type(row).__name__}"
        )
    media_type = _first(row, columns.media_type)
    if media_type is not None and not isinstance(media_type, str):
        return SourceError(
            f"{where}: media_type is {type(media_type).__name__} where text is wanted"
        )
    try:
        text = _text(_first(row, columns.text), "text", media_type)
        context = _text(_first(row, columns.context), "context")
    except NotText as error:
        return SourceError(f"{where}: {error}")
    if text is None and is_conversation(row):
        try:
            text, media_type = conversation_text(row), CONVERSATION
        except NotAConversation as error:
            return SourceError(f"{where}: not a conversation: {error}")
    elif columns.text == ANY_COLUMNS.text and is_message(row):
        return SourceError(
            f"{where}: a message that was taken out of a conversation: feed the file with the "
            "trees, or name the text's column with --text-column text"
        )
    if text is None and (empty := next((name for name in columns.text if name in row), None)):
        return SourceError(f"{where}: {empty!r} is null: no text in the row")
    if text is None:
        found = ", ".join(repr(str(name)) for name in list(row)[:_MOST_NAMES]) or "none"
        return SourceError(
            f"{where}: no {' or '.join(map(repr, columns.text))} in the row, whose fields are: "
            f"{found}; {columns.advice}{_hint(row)}"
        )
    return make_document(
        text,
        source=_label(_first(row, columns.source)) or (where if source is None else source),
        where=where,
        media_type=media_type or "text/plain",
        title=_label(_first(row, columns.title)),
        context=context or None,
    )


def _hint(row: Mapping[object, object]) -> str:
    """What else can be done with a row without a text."""
    try:
        check_columns([str(name) for name in row])
    except NotAPair:
        return ""
    return "; human pairs are for `backstream seed`"


def _first(row: Mapping[object, object], names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _text(value: object, field: str, media_type: str | None = None) -> str | None:
    """A field that must be text. Raises NotText. Bytes, which Parquet has, are decoded."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return decode(value, None, media_type_of(media_type or "") or "text/plain")
    if not isinstance(value, str):
        raise NotText(f"{field} is {type(value).__name__} where text is wanted")
    return clean(value)


def _label(value: object) -> str | None:
    """A source or title. One that is neither text nor a number is as good as none."""
    return clean(str(value)) or None if isinstance(value, str | int | float) else None


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
    if is_blank(text):
        return SourceError(f"{where}: no text in it")
    read_as = media_type_of(media_type)
    if read_as is None:
        return SourceError(
            f"{where}: media type {media_type!r} is not one of {', '.join(TEXT_TYPES)}"
        )
    if is_xhtml(media_type):
        text = with_end_tags(text)
    size = _ENVELOPE_BYTES + sum(
        len(part.encode()) for part in (text, source, title or "", context or "")
    )
    if size > MAX_BYTES:
        return too_large(where, size)
    return Document(
        id=document_id(source, text),
        source=source,
        text=text,
        media_type=read_as,
        title=title,
        context=context,
    )


def too_large(where: str, size: int, at_least: bool = False) -> SourceError:
    """The error for a document over the limit; ``size`` in bytes."""
    more = "more than " if at_least else ""
    return DocumentTooLarge(
        f"{where}: a document of {more}{size:,} bytes is over the limit of {MAX_BYTES:,}: split it"
    )
