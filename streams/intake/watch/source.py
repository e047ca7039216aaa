"""What a watched source is: items that have a version, and how each is read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from schemas.text import PassedOver
from streams.data.sources import Outcome
from streams.intake.watch.fed import Fed


@dataclass(frozen=True, slots=True)
class Item:
    """A file, an object of a store, or an entry of a feed."""

    key: str
    version: str
    """Changes when the content does. Compared with that of the last time that it was read whole."""
    read: Callable[[], Iterator[Outcome]]
    unchanged: Callable[[], bool] = lambda: True
    """Whether it is still of this version, asked after it was read."""


class Source(Protocol):
    """Something that has items. Its methods are called by one thread at a time."""

    way: str
    """``directory``, ``store`` or ``feed``, in the metrics."""
    name: str
    """What the user gave."""

    @property
    def pause(self) -> float:
        """Seconds until it is looked at again."""

    @property
    def pending(self) -> bool:
        """Whether the last look has left something out that was not ready, as a file in writing."""

    def items(self, fed: Fed) -> Iterator[Item | PassedOver]:
        """Everything that is there now and may be read. Raises SourceUnavailable."""

    def looked(self, fed: Fed) -> None:
        """All items of the last look are fed."""
