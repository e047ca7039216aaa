"""Files that the settings of the curation name: benchmarks, and a list of words."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.curation.benchmarks import Benchmark
from agents.curation.word_list import WordList
from schemas.errors import NotText, SettingsError, SourceError
from schemas.text import decode, decompressed, name_of, read_rows
from schemas.wire import MAX_ROW_BYTES

_JSON = (".json", ".jsonl", ".ndjson")
_TABLES = {".csv": ",", ".tsv": "\t"}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def read_benchmark(file: Path) -> Benchmark:
    """Read a benchmark: every text in the rows of JSON, JSON lines, CSV or Parquet; else the lines.

    All but Parquet may be compressed. Raises SettingsError where the file cannot be read or has no
    text.
    """
    with _settings_error("curation.benchmarks", file):
        benchmark = Benchmark(file.name, _texts(file))
        if not len(benchmark):
            raise SourceError("there is no text in it")
    return benchmark


def read_word_list(file: Path) -> WordList:
    """Read words and phrases, one a line; lines that begin with # are comments.

    Raises SettingsError where the file cannot be read or has no word.
    """
    with _settings_error("curation.toxic_words", file):
        listed = WordList(line for line in _lines(file) if not line.startswith("#"))
        if not len(listed):
            raise SourceError("there is no word in it")
    return listed


@contextmanager
def _settings_error(setting: str, file: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"{setting}: {name_of(file)} cannot be read: {reason}") from error
    except (SourceError, NotText, csv.Error, ValueError, pyarrow.ArrowException) as error:
        raise SettingsError(f"{setting}: {name_of(file)} cannot be read: {error}") from error


def _texts(file: Path) -> Iterator[str]:
    suffixes = [one for one in map(str.lower, file.suffixes) if one not in _COMPRESSED]
    suffix = suffixes[-1] if suffixes else ""
    if suffix == ".parquet":
        from pyarrow.parquet import ParquetFile

        with ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=1000):
                yield from _strings(batch.to_pylist())
    elif suffix in _JSON:
        with file.open("rb") as opened:
            stream = decompressed(opened, name_of(file), _ignore)
            for row in read_rows(stream, name_of(file), MAX_ROW_BYTES, lines=True):
                if isinstance(row, SourceError):
                    raise row
                yield from _strings(row.value)
    elif suffix in _TABLES:
        table = csv.reader(io.StringIO(_whole(file), newline=""), delimiter=_TABLES[suffix])
        for cells in table:
            yield from cells
    else:
        yield from _lines(file)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value of JSON, however deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _lines(file: Path) -> Iterator[str]:
    return (line for line in _whole(file).splitlines() if line.strip())


def _whole(file: Path) -> str:
    with file.open("rb") as opened:
        return decode(decompressed(opened, name_of(file), _ignore).read())


def _ignore(_: str) -> None:
    """What follows the last member of a compressed file is left out without a remark."""
