"""A source of another package, whose pages are fed when they appear and when they change."""

import hashlib
from collections.abc import Iterator
from functools import partial

from schemas.errors import SourceError, SourceUnavailable
from schemas.text import PassedOver
from streams.data.sources.plugged import PluggedSource
from streams.intake.watch.fed import Fed
from streams.intake.watch.source import Item


class Plugged:
    """See Source. A page's version is the hash of its text."""

    way = "package"
    pending = False

    def __init__(self, source: PluggedSource, *, seconds: float) -> None:
        """``seconds`` lie between two looks."""
        self.name = str(source)
        self.pause = seconds
        self._source = source

    def items(self, fed: Fed) -> Iterator[Item | PassedOver]:
        """See Source. Reads everything."""
        for read in self._source.read():
            if isinstance(read, SourceUnavailable):
                raise read
            if isinstance(read, SourceError):
                yield PassedOver(self.name, f"page that cannot be read: {read}")
                continue
            version = hashlib.sha256(read.model_dump_json().encode()).hexdigest()[:16]
            if fed.version(read.source) != version:
                yield Item(read.source, version, partial(iter, (read,)))

    def looked(self, fed: Fed) -> None:
        """See Source."""
