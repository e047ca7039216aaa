"""An export that follows the curated topic: files that appear one after another.

A rotation writes its files under hidden names, then commits them and the offsets to the ledger, and
renames them. A process that is killed before the commit leaves hidden files, which the next one
deletes before it reads the same messages again. One that is killed afterwards leaves names to be
given, which the next one gives. So every message that compaction left is in one file.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.atomic_file import sync
from schemas.errors import BackstreamError
from streams.data.changes import Change
from streams.data.exports import Shape, columns, filled_line, row
from streams.data.files import write_lines, write_table
from streams.data.ledger import Batch, Ledger
from streams.data.selection import Selection, traits_of
from streams.quantities import as_count

if TYPE_CHECKING:
    import pyarrow

RETRACTIONS = "__retractions"
"""Folder of what was retracted. Readers of directories pass over names with underscores."""
_MAX_BYTES = 64 << 20
"""Of the rows that wait in memory, as they are in JSON."""


@dataclass(frozen=True, slots=True)
class Follow:
    """What is written, and when a file is complete."""

    output: Path
    """``FOLDER/NAME.jsonl`` or ``FOLDER/NAME.parquet``: the files are ``FOLDER/NAME-NUMBER``, in
    Parquet ``FOLDER/day=YYYY-MM-DD/NAME-NUMBER``.
    """
    shape: Shape
    with_evidence: bool
    selection: Selection
    rows: int
    """Rows after which a file is complete."""
    seconds: float
    """Seconds after its first row after which a file is complete."""

    @property
    def options(self) -> dict[str, str]:
        """What must not change while the files of a folder grow."""
        chosen = "; ".join(self.selection.described()) or "no filter"
        evidence = "with" if self.with_evidence else "without"
        return {
            "format": self.output.suffix,
            "shape": self.shape.value,
            "evidence": evidence,
            "filters": chosen,
        }


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that waits for its file."""

    values: dict[str, Any]
    timestamp_ms: int
    retracted: bool


class Rotation:
    """Takes changes in the order of the topic and writes them to files.

    Give it each change with ``take``, and call ``tick`` several times a second.
    """

    def __init__(
        self, follow: Follow, topic: str, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """Finish what an earlier process left.

        ``say`` is told of each rotation. Raises SettingsError where the folder belongs to another
        export, and BackstreamError where it cannot be written.
        """
        self._say = say
        self._follow = follow
        self._folder, self._name = follow.output.parent, follow.output.stem
        ledger = self._folder / f".{self._name}.export.db"
        self._ledger = Ledger(ledger, {"topic": topic, **follow.options})
        self._number = self._ledger.number()
        self._next = self._ledger.next()
        self._rows: list[_Row] = []
        self._digests: dict[str, bytes | None] = {}
        self._bytes = 0
        self._moved = False
        self._began: float | None = None
        self.written = 0
        """Rows in the files that this process has written, retractions included."""
        try:
            self._rename(self._ledger.pending())
            self._delete_partial()
        except OSError as error:
            self._ledger.close()
            raise BackstreamError(f"cannot write to {self._folder}: {error}") from error

    def next(self) -> dict[int, int]:
        """The offset that each partition is to be read from."""
        return dict(self._next)

    def take(self, change: Change, now: float) -> None:
        """Take a change. What is in a file already, or is not chosen, makes no row.

        An id that is no longer chosen, such as after a lower rating, is retracted.
        """
        self._next[change.partition] = change.offset + 1
        self._moved = True
        self._began = now if self._began is None else self._began
        waits = change.id in self._digests
        known = self._digests[change.id] if waits else self._ledger.digest(change.id)
        example = change.example
        if example is None or not self._follow.selection.takes(traits_of(example)):
            if known is not None:
                self._add({"id": change.id}, change, None)
            return
        values = row(example, self._follow.shape, self._follow.with_evidence)
        line = filled_line(values)
        digest = hashlib.sha256(line.encode()).digest()[:16]
        if digest != known:
            self._bytes += len(line)
            self._add(values, change, digest)
        if len(self._rows) >= self._follow.rows or self._bytes >= _MAX_BYTES:
            self.rotate()

    def tick(self, now: float) -> None:
        """Write what has waited long enough. ``now`` is monotonic, in seconds."""
        if self._began is not None and now - self._began >= self._follow.seconds:
            self.rotate()

    def rotate(self) -> list[Path]:
        """Write what was taken, and return the new files. Raises BackstreamError.

        After an error nothing of it is in the export, and this object is not used again.
        """
        if not self._moved:
            return []
        number = self._number + bool(self._rows)
        files = self._files(number)
        pending = {final.with_name(f".{final.name}.partial"): final for final in files}
        try:
            for partial, rows in zip(pending, files.values(), strict=True):
                self._write(rows, partial)
            digests = self._digests.items()
            self._ledger.commit(
                Batch(
                    number,
                    self._next,
                    {id: digest for id, digest in digests if digest is not None},
                    [id for id, digest in digests if digest is None],
                    pending,
                )
            )
        except BackstreamError:
            for partial in pending:
                with suppress(OSError):
                    partial.unlink()
            raise
        self._rename(pending)
        self._number = number
        if self._rows:
            self._say(f"{as_count(len(self._rows), 'row')} in files number {number}")
        self.written += len(self._rows)
        self._rows, self._digests, self._bytes = [], {}, 0
        self._moved, self._began = False, None
        return list(pending.values())

    def __enter__(self) -> "Rotation":
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process write to the folder. What was not rotated is not in the export."""
        self._ledger.close()

    def _add(self, values: dict[str, Any], change: Change, digest: bytes | None) -> None:
        written = change.timestamp_ms or 0
        place = {"at": written / 1000, "partition": change.partition, "offset": change.offset}
        self._rows.append(_Row(values | place, written, digest is None))
        self._digests[change.id] = digest

    def _files(self, number: int) -> dict[Path, list[_Row]]:
        """The rows of each file, by its name."""
        found: dict[Path, list[_Row]] = defaultdict(list)
        name = f"{self._name}-{number:08}{self._follow.output.suffix}"
        for each in self._rows:
            folder = self._folder / RETRACTIONS if each.retracted else self._folder
            if self._is_table:
                folder /= f"day={_day_of(each.timestamp_ms).isoformat()}"
            found[folder / name].append(each)
        return found

    @property
    def _is_table(self) -> bool:
        return self._follow.output.suffix == ".parquet"

    def _write(self, rows: list[_Row], path: Path) -> None:
        values = [each.values for each in rows]
        if self._is_table:
            write_table(values, self._columns(rows[0].retracted), path)
        else:
            write_lines(map(filled_line, values), path)

    def _columns(self, retracted: bool) -> "pyarrow.Schema":
        import pyarrow

        whole = columns(self._follow.shape, self._follow.with_evidence)
        schema = pyarrow.schema([("id", pyarrow.string())]) if retracted else whole
        for name, kind in (("at", "float64"), ("partition", "int32"), ("offset", "int64")):
            schema = schema.append(pyarrow.field(name, kind))
        return schema

    def _delete_partial(self) -> None:
        """Delete the files under hidden names, but none of an export whose name begins as ours."""
        # With two dots where the file itself was not complete.
        ours = re.compile(rf"\.{{1,2}}{re.escape(self._name)}-[0-9]{{8,}}\..*")
        for left in self._folder.rglob(".*.partial"):
            if ours.fullmatch(left.name):
                left.unlink()

    def _rename(self, pending: dict[Path, Path]) -> None:
        for partial, final in pending.items():
            if partial.exists():  # else an earlier process has renamed it
                partial.replace(final)
                sync(final.parent)
        self._ledger.renamed()


def _day_of(timestamp_ms: int) -> date:
    """The day of a timestamp in UTC, or the nearest one that a date can be: any client sets it."""
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC).date()
    except (OverflowError, OSError, ValueError):
        return date.max if timestamp_ms > 0 else date.min
