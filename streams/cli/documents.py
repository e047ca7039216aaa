"""Documents from the sources that a command names."""

import time
from collections.abc import Iterable, Iterator, Sequence

from schemas.errors import SourceError
from schemas.records import Document
from streams.cli.console import notice
from streams.data.sources import discover, read

_NOTICE_SECONDS = 5.0


def read_documents(
    sources: Sequence[str], format: str | None = None
) -> Iterator[Document | SourceError]:
    """Yield every document of the sources, and an error value for what cannot be read."""
    for source in discover(sources):
        yield from read(source, format=format)


def with_notices(
    documents: Iterable[Document | SourceError],
) -> Iterator[Document | SourceError]:
    """Yield the documents, and print their number every 5 s."""
    noticed = time.monotonic()
    for number, document in enumerate(documents, start=1):
        yield document
        if time.monotonic() - noticed >= _NOTICE_SECONDS:
            noticed = time.monotonic()
            notice(f"{number:,} documents read")
