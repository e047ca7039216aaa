"""JSON, incrementally: one object a line, one object, or a list of objects."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from schemas.errors import SourceError
from schemas.records import Document
from schemas.wire import MAX_BYTES
from streams.data.sources.bytestreams import decode
from streams.data.sources.columns import Columns, document_of, too_large
from streams.data.sources.discovery import Stdin

_LONGEST = 6 * MAX_BYTES
"""Largest row in bytes: JSON may escape a character of one byte in six."""
_PIECE = 1 << 18
_SEPARATORS = re.compile(r"[\s,]+")


def read_lines(
    stream: IO[bytes], where: Path | Stdin, columns: Columns
) -> Iterator[Document | SourceError]:
    """The documents of JSON lines. A bad line is one error, with its number."""
    number = rows = 0
    while line := stream.readline(_LONGEST):
        number += 1
        place = f"{where}#{number}"
        if len(line) == _LONGEST and not line.endswith(b"\n"):
            yield too_large(place, _LONGEST, at_least=True)
            while line and not line.endswith(b"\n"):
                line = stream.readline(_PIECE)
            rows += 1
        elif line.strip():
            if b"\0" in line and not rows:
                yield SourceError(
                    f"{where}: binary data, not JSON lines; leave it out or name its format"
                )
                return
            rows += 1
            yield _parse_line(line, place, columns)
    if not rows:
        yield SourceError(f"{where}: no line in it")


def read_json(
    stream: IO[bytes], where: Path | Stdin, columns: Columns
) -> Iterator[Document | SourceError]:
    """The documents of one JSON object or a list of objects.

    Nothing can be read after malformed JSON.
    """
    try:
        yield from _read_values(_Window(stream), where, columns)
    except UnicodeDecodeError as error:
        yield SourceError(
            f"{where}: not UTF-8 ({error.reason}); if it is JSON, convert it first: iconv -f "
            "UTF-16 -t UTF-8"
        )
    except RecursionError:
        yield SourceError(f"{where}: the JSON is nested too deep to read")


def _parse_line(line: bytes, place: str, columns: Columns) -> Document | SourceError:
    text = decode(line, place)
    if isinstance(text, SourceError):
        return text
    try:
        return document_of(json.loads(text), place, columns)
    except (ValueError, RecursionError) as error:
        return SourceError(f"{place}: not JSON: {error}; mend or remove the line")


def _read_values(
    window: "_Window", where: Path | Stdin, columns: Columns
) -> Iterator[Document | SourceError]:
    decoder = json.JSONDecoder()
    if window.skip() is None:
        yield SourceError(f"{where}: the file is empty")
        return
    in_list = window.skip() == "["
    if in_list:
        window.at += 1
    rows = 0
    while (sign := window.skip()) is not None and not (in_list and sign == "]"):
        place = f"{where}#{rows + 1}" if in_list else str(where)
        try:
            value, end = decoder.raw_decode(window.text, window.at)
        except json.JSONDecodeError as error:
            if window.ahead < _LONGEST and window.grow():
                continue  # the row may go on in what was not yet read
            line = window.line_of(error.pos)
            yield SourceError(
                f"{where}: not JSON in row {rows + 1}, line {line}: {error.msg}; mend the "
                "file, or cut it there"
            )
            return
        except ValueError as error:  # an integer of more digits than Python reads
            yield SourceError(f"{where}: row {rows + 1} cannot be read: {error}; mend the file")
            return
        rows += 1
        window.at = end
        yield document_of(value, place, columns)
        if not in_list:
            if window.skip() is not None:
                line = window.line_of(window.at)
                yield SourceError(
                    f"{where}: more follows the JSON object, at line {line}; use the format "
                    "jsonl for rows"
                )
            return
    if window.skip() is None:
        yield SourceError(
            f"{where}: the JSON list is cut short after row {rows}; fetch the file again"
        )
    elif not rows:
        yield SourceError(f"{where}: the JSON list is empty")


class _Window:
    """The part of a JSON text that is in memory, and the position up to which it is parsed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._line = 1
        """Line of the file at which ``text`` begins."""
        self.text = ""
        self.at = 0

    @property
    def ahead(self) -> int:
        """Number of characters that are read and not parsed."""
        return len(self.text) - self.at

    def grow(self) -> bool:
        """Drop what is parsed and read more, at least as much as is held.

        So a long row is not parsed too often.
        """
        self._line += self.text.count("\n", 0, self.at)
        held = self.text[self.at :]
        data = self._stream.read(max(_PIECE, len(held)))
        self.text = held + self._decoder.decode(data, final=not data)
        self.at = 0
        return bool(data)

    def skip(self) -> str | None:
        """Skip white space and commas; return the next character, None at the end of the file."""
        while True:
            while match := _SEPARATORS.match(self.text, self.at):
                self.at = match.end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return None

    def line_of(self, position: int) -> int:
        """Line of the file for a position in ``text``."""
        return self._line + self.text.count("\n", 0, position)
