"""Rows of JSON, incrementally: one value a line, one value after the other, or a list of them."""

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import NotText, SourceError
from schemas.text.decoding import decode
from schemas.text.media_types import JSON
from schemas.text.signatures import binary_kind
from schemas.text.utf16 import in_utf8

_PIECE = 1 << 18
_SEPARATORS = re.compile("[\\s,\ufeff]+")
_LONG_NUMBER = "a whole number of more than 4,300 digits is not read"
_BLANK = b"\xef\xbb\xbf \t\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a JSON file."""

    place: str
    """Where it is, such as ``rows.jsonl#3``."""
    value: object


def read_rows(
    stream: io.BufferedReader, name: str, longest: int, *, lines: bool
) -> Iterator[Row | SourceError]:
    """The values of a JSON file, in order, with an error for each one that cannot be read.

    With ``lines`` there is one value a line, and a bad line is one error, unless the file begins
    like a list or like an object of several lines. Else nothing is read after malformed JSON.
    ``longest``: most bytes of a row. Memory does not grow with the file.
    """
    stream = in_utf8(stream)
    head = stream.peek(1)
    if not head.lstrip(_BLANK).startswith((b"{", b"[")) and (kind := binary_kind(head)):
        yield SourceError(f"{name}: {kind}")
        return
    first, number = b"", 1
    if lines:
        while (first := stream.readline(longest)) and not first.strip(_BLANK):
            number += 1
        if not first:
            yield SourceError(f"{name}: no line in it")
            return
        if not _begins_values(first, stream.peek(1)):
            yield from _lines(stream, first, number, name, longest)
            return
    try:
        yield from _values(_Window(stream, first, number), name, longest)
    except RecursionError:
        yield SourceError(f"{name}: the JSON is nested too deep to read")


def _begins_values(first: bytes, following: bytes) -> bool:
    """Whether a first line begins a list of rows, or an object that goes on in the next line."""
    line = first.strip(_BLANK)
    if not line.startswith((b"{", b"[")):
        return False
    try:
        value = json.loads(line)
    except RecursionError:
        return False
    except ValueError:
        return line.startswith(b"[") or following.lstrip(_BLANK)[:1] in (b'"', b"}")
    return isinstance(value, list) and any(isinstance(row, dict) for row in value)


def _lines(
    stream: io.BufferedReader, line: bytes, number: int, name: str, longest: int
) -> Iterator[Row | SourceError]:
    while line:
        place = f"{name}#{number}"
        if len(line) == longest and not line.endswith(b"\n"):
            yield SourceError(
                f"{place}: a row of more than {longest:,} bytes is over the limit: split it"
            )
            while line and not line.endswith(b"\n"):
                line = stream.readline(_PIECE)
        elif line.strip():
            yield _line(line, place)
        line, number = stream.readline(longest), number + 1


def _line(line: bytes, place: str) -> Row | SourceError:
    try:
        return Row(place, json.loads(decode(line, media_type=JSON)))
    except NotText as error:
        return SourceError(f"{place}: {error}")
    except json.JSONDecodeError as error:
        return SourceError(f"{place}: not JSON: {error}; mend or remove the line")
    except RecursionError:
        return SourceError(f"{place}: the JSON is nested too deep to read; remove the line")
    except ValueError:
        return SourceError(f"{place}: {_LONG_NUMBER}; mend or remove the line")


def _values(window: "_Window", name: str, longest: int) -> Iterator[Row | SourceError]:
    decoder = json.JSONDecoder()
    if window.skip() is None:
        yield SourceError(f"{name}: the file is empty")
        return
    in_list = window.skip() == "["
    if in_list:
        window.at += 1
    rows = 0
    while (sign := window.skip()) is not None and not (in_list and sign == "]"):
        try:
            value, end = decoder.raw_decode(window.text, window.at)
        except json.JSONDecodeError as error:
            if window.ahead < longest and window.grow():
                continue  # the row may go on in what was not yet read
            line = window.line_of(error.pos)
            yield SourceError(
                f"{name}: not JSON in row {rows + 1}, line {line}: {error.msg}; mend the "
                "file, or cut it there"
            )
            return
        except ValueError:
            yield SourceError(f"{name}: row {rows + 1}: {_LONG_NUMBER}; mend the file")
            return
        rows += 1
        window.at = end
        alone = rows == 1 and not in_list and window.skip() is None
        yield Row(name if alone else f"{name}#{rows}", value)
    if in_list and window.skip() is None:
        yield SourceError(
            f"{name}: the JSON list is cut short after row {rows}; fetch the file again"
        )
    elif in_list and not rows:
        yield SourceError(f"{name}: the JSON list is empty")


class _Window:
    """The part of a JSON text that is in memory, and the position up to which it is parsed."""

    def __init__(self, stream: io.BufferedReader, first: bytes, line: int) -> None:
        """``first``: what was read of the stream already. It begins at ``line`` of the file."""
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = line
        """Line of the file at which ``text`` begins."""
        self.text = self._decoder.decode(first)
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
