"""Open-Assistant's messages, one a row, as the trees from which they were taken."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.errors import SourceError
from schemas.text import Row

_KEPT = ("text", "role", "rank", "deleted", "synthetic", "review_result")
"""Fields of a message that are kept until the end of the file."""


class MessageTrees:
    """Collects the messages of a file. They may come in any order, so all are held."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        """Of each message, by its id, in the order of the file."""
        self._messages: dict[str, dict[str, Any]] = {}
        self._parents: dict[str, str | None] = {}

    def add(self, row: Row) -> SourceError | None:
        """Take a message in. Returns an error for one that has no id, or that of another."""
        assert isinstance(row.value, Mapping)
        id, parent = row.value["message_id"], row.value.get("parent_id")
        if not isinstance(id, str) or not isinstance(parent, str | None):
            return SourceError(f"{row.place}: its message_id or parent_id is no text")
        if id in self._places:
            return SourceError(f"{row.place}: the same message_id as {self._places[id]}")
        self._places[id] = row.place
        self._messages[id] = {name: row.value.get(name) for name in _KEPT} | {"replies": []}
        self._parents[id] = parent or None
        return None

    def trees(self) -> Iterator[Row | SourceError]:
        """The trees at the places of their first messages, and an error for loose messages."""
        loose: list[str] = []
        for id, parent in self._parents.items():
            if parent in self._messages:
                self._messages[parent]["replies"].append(self._messages[id])
            elif parent is not None:
                loose.append(id)
        for id, parent in self._parents.items():
            if parent is None:
                yield Row(self._places[id], {"message_tree_id": id, "prompt": self._messages[id]})
        if loose:
            more = f", as {len(loose) - 1:,} more do" if len(loose) > 1 else ""
            yield SourceError(
                f"{self._places[loose[0]]}: replies to a message that is not in the file{more}"
            )
