"""A bucket or another store of fsspec, whose files are fed when they appear and change."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from schemas.errors import SourceError, SourceUnavailable
from schemas.text import PassedOver
from streams.data.sources import FORMATS, Choice, Columns, Outcome, read
from streams.data.sources.discovery import passed_over
from streams.data.sources.stored import StoredFile, stored_files, without_user
from streams.intake.watch.fed import Fed
from streams.intake.watch.settling import Settling
from streams.intake.watch.source import Item


class Store:
    """See Source. A folder with what is below it, a file, or a glob."""

    way = "store"

    def __init__(
        self,
        address: str,
        *,
        seconds: float,
        settle_seconds: float,
        choice: Choice,
        format: str | None,
        columns: Columns,
    ) -> None:
        self.name = without_user(address)
        self.pause = seconds
        self._address = address
        self._settling = Settling(settle_seconds)
        self._choice = choice
        self._format = format
        self._columns = columns
        self._found: set[str] = set()

    @property
    def pending(self) -> bool:
        """See Source."""
        return self._settling.pending

    def items(self, fed: Fed) -> Iterator[Item | PassedOver]:
        """See Source."""
        self._found = set()
        try:
            for file in stored_files(self._address, fresh=True):
                if (one := self._item(file, fed)) is not None:
                    yield one
        except SourceError as error:
            raise SourceUnavailable(str(error)) from error

    def looked(self, fed: Fed) -> None:
        """See Source."""
        self._settling.keep(self._found)

    def _item(self, file: StoredFile, fed: Fed) -> Item | PassedOver | None:
        if (passed := passed_over(file, self._address, FORMATS)) is not None:
            return passed
        if (reason := self._choice.refuse(file.name)) is not None:
            return PassedOver(file.address, reason)
        version = file.version
        if fed.version(file.address) == version:
            self._settling.forget(file.address)
            return None
        self._found.add(file.address)
        if not self._settling.settled(file.address, version, file.changed_at):
            return None
        self._settling.forget(file.address)
        reading = _Reading(file)
        return Item(
            file.address,
            version,
            partial(reading.read, format=self._format, columns=self._columns),
            reading.is_consistent,
        )


class _Reading:
    """Reads a file, and compares what the store tells about it before and after."""

    def __init__(self, file: StoredFile) -> None:
        self._file = file
        self._before: str | None = None

    def read(self, **options: Any) -> Iterator[Outcome]:
        """The documents of the file."""
        try:
            self._before = self._file.now().version
        except SourceUnavailable as error:
            yield error
        else:
            yield from read(self._file, **options)

    def is_consistent(self) -> bool:
        """Whether the file has not changed since it was opened."""
        try:
            return self._file.now().version == self._before
        except SourceUnavailable:
            return False
