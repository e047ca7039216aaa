"""Documents from the sources that a command names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from models.progress import at_intervals
from models.seeds.formats import Reading, read_pairs
from schemas.errors import SourceError
from schemas.records import Document, Example
from schemas.text import PassedOver, Warned, name_of
from streams.cli.console import notice
from streams.cli.outputs import is_standard_output
from streams.data.sources import (
    EVERY_FILE,
    ROWS,
    Choice,
    Columns,
    Converter,
    Outcome,
    discover,
    read,
)
from streams.data.tally import Tally
from streams.quantities import as_count

_NOTICE_SECONDS = 5.0


def read_documents(
    sources: Sequence[str],
    format: str | None,
    text_column: str | None,
    tally: Tally,
    choice: Choice = EVERY_FILE,
) -> Iterator[Document | SourceError]:
    """Yield every document of the sources, and an error value for what cannot be read.

    ``tally`` counts what is passed over and what is mended. ``choice`` says which files are read.
    """
    columns = Columns()
    if text_column is not None:
        columns = replace(columns, text=(text_column,))
    return tally.of(_outcomes(sources, format, columns, choice))


def _outcomes(
    sources: Sequence[str], format: str | None, columns: Columns, choice: Choice
) -> Iterator[Outcome]:
    with Converter() as converter:
        for source in discover(sources, choice):
            if isinstance(source, PassedOver | SourceError):
                yield source
            elif isinstance(source, Path) and is_standard_output(source):
                yield SourceError(
                    f"{name_of(source)}: not read, because the output of this command goes to it: "
                    "write the output elsewhere"
                )
            else:
                yield from read(source, format=format, columns=columns, converter=converter)


def read_seeds(
    sources: Sequence[str], reading: Reading, tally: Tally
) -> Iterator[Example | SourceError]:
    """Yield every human pair of the sources, and an error value for what cannot be read."""
    return tally.of(_pairs(sources, reading))


def _pairs(
    sources: Sequence[str], reading: Reading
) -> Iterator[Example | SourceError | PassedOver | Warned]:
    for source in discover(sources, formats=ROWS):
        if isinstance(source, PassedOver | SourceError):
            yield source
        elif not isinstance(source, Path):
            yield SourceError(f"{source}: human pairs are read from files; give a path")
        else:
            yield from read_pairs(source, reading)


def with_notices(
    documents: Iterable[Document | SourceError],
) -> Iterator[Document | SourceError]:
    """Yield the documents, and print their number every 5 s."""
    say = at_intervals(notice, _NOTICE_SECONDS)
    for number, document in enumerate(documents, start=1):
        yield document
        say(f"{as_count(number, 'document')} read")
