"""CSV and its kin: a header, and cells parted by commas, semicolons, tabs or bars.

Cells are quoted as RFC 4180 says, so that they may have delimiters and newlines in them.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from schemas.errors import NotText, SourceError
from schemas.text import Row, decode, in_utf8
from schemas.text.media_types import JSON

_DELIMITERS = (",", "\t", ";", "|")
_NONE = "\x1f"
"""The delimiter of a file with one column, in which any other may stand."""
_PIECE = 1 << 18
_HEADER = re.compile(r'(?:[^"\r\n]|"[^"]*")*')
_END = "\x1e"
"""A line of its own after the file. A quotation mark that is not closed has it in its cell."""
_TOLD = re.compile(r"sep=([^\r\n\"])\r?\n")
"""A first line that names the delimiter, as Excel reads and writes it."""


def delimited_rows(
    stream: io.BufferedReader,
    name: str,
    choose: Callable[[Sequence[str]], Sequence[str]],
    longest: int,
) -> Iterator[Row | SourceError]:
    """The rows of a file with a header. They count from 1, blank lines not included.

    The delimiter is the one with which the header has the most names among which ``choose`` finds
    its own. ``longest``: most bytes of a cell. Memory does not grow with the file.
    """
    csv.field_size_limit(longest)  # of the whole process: the library has no other way
    pieces = _pieces(in_utf8(stream), longest)
    number = 0
    try:
        first = next(pieces, "").lstrip("\r\n")
        if not first.strip():
            raise SourceError(f"{name}: the file is empty")
        told = _TOLD.match(first)
        if told:
            first = first[told.end() :]
        lines = (line for text in _with(first, pieces) for line in io.StringIO(text, newline=""))
        delimiter = told[1] if told else _delimiter_of(first, choose)
        reader = csv.reader(chain(lines, (_END,)), delimiter=delimiter)
        names = next(reader, [])
        choose(names)
        for cells in reader:
            if not cells or cells == [_END]:
                continue
            number += 1
            if cells[-1].endswith(_END):
                raise SourceError(
                    f"{name}#{number}: a quotation mark is not closed, so that all that follows is "
                    "in its cell: close it, or write it twice"
                )
            yield _row(cells, names, f"{name}#{number}")
    except NotText as error:
        advice = "; convert it first, as with iconv -f WINDOWS-1252 -t UTF-8"
        yield SourceError(
            f"{name}: after row {number}: {error}" + (advice if error.in_other_charset else "")
        )
        return
    except csv.Error as error:
        yield SourceError(
            f"{name}: after row {number}: {error}; mend the file there, such as a quotation mark "
            "that is not closed"
        )
        return
    except SourceError as error:
        yield error
        return
    if not number:
        yield SourceError(f"{name}: no row below its header")


def _pieces(stream: io.BufferedReader, longest: int) -> Iterator[str]:
    """The text in pieces that end with a line. Raises NotText.

    Only the first one is looked at for the marks of binary data.
    """
    media_type = "text/csv"
    while data := stream.read(_PIECE):
        yield decode(data + stream.readline(longest), media_type=media_type)
        media_type = JSON


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter_of(text: str, choose: Callable[[Sequence[str]], Sequence[str]]) -> str:
    """Raises SourceError where the header fits with no delimiter."""
    header = _HEADER.match(text)
    assert header is not None
    lines = header[0].splitlines(keepends=True)
    read = {mark: next(csv.reader(lines, delimiter=mark), []) for mark in _DELIMITERS}
    failure: SourceError | None = None
    for mark in sorted(read, key=lambda mark: -len(read[mark])):
        try:
            choose(read[mark])
        except SourceError as error:
            failure = failure or error
        else:
            return mark if len(read[mark]) > 1 else _NONE
    assert failure is not None
    raise failure


def _row(cells: Sequence[str], names: Sequence[str], place: str) -> Row | SourceError:
    if len(cells) > len(names):
        return SourceError(
            f"{place}: {len(cells):,} cells where the header has {len(names):,}: quote cells that "
            "have the delimiter in them, and write quotation marks in them twice"
        )
    return Row(place, dict(zip(names, cells, strict=False)))
