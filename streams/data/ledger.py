"""What a following export has written: the one state that decides what is written next."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import BackstreamError, SettingsError

_TABLES = """
CREATE TABLE IF NOT EXISTS options (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS next (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS written (id TEXT PRIMARY KEY, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pending (partial TEXT PRIMARY KEY, final TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (number INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one rotation writes down."""

    number: int
    """Number of its files."""
    next: Mapping[int, int]
    """The offset that each partition is read from then."""
    written: Mapping[str, bytes]
    """Digest of the newest row of each id."""
    retracted: Iterable[str]
    pending: Mapping[Path, Path]
    """The files as they are written, with the names that they get. All are in the ledger's folder,
    or in folders of it.
    """


class Ledger:
    """A SQLite file. It is locked for as long as it is open, so that one process owns it.

    A batch is in the export from the moment that ``commit`` returns: whatever is killed afterwards,
    ``pending`` names the files that are still to be renamed.
    """

    def __init__(self, path: Path, options: Mapping[str, str]) -> None:
        """``options`` decide what rows look like and which there are.

        Raises SettingsError where the file was begun with others, or another process has it open,
        and BackstreamError where it cannot be used.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._db.executescript(f"PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; {_TABLES}")
        except (OSError, sqlite3.Error) as error:
            if "locked" in str(error):
                raise SettingsError(
                    f"another process exports to {path.parent}: end it, or choose another -o"
                ) from error
            raise BackstreamError(f"{path} cannot be used: {error}") from error
        try:
            self._begin(options)
        except sqlite3.Error as error:
            self._db.close()
            raise BackstreamError(f"{path} cannot be written: {error}") from error
        except SettingsError:
            self._db.close()
            raise

    def _begin(self, options: Mapping[str, str]) -> None:
        """End the transaction that was begun, once the options are those of the file."""
        known = dict(self._db.execute("SELECT name, value FROM options"))
        for name, value in options.items():
            if known.setdefault(name, value) != value:
                raise SettingsError(
                    f"{self._path.parent} was begun with another {name} ({known[name]}, not "
                    f"{value}): export with the same, or choose another -o"
                )
        self._db.executemany("INSERT OR IGNORE INTO options VALUES (?, ?)", options.items())
        self._db.execute("COMMIT")

    def next(self) -> dict[int, int]:
        """The offset that each partition is to be read from."""
        return dict(self._db.execute("SELECT partition, offset FROM next"))

    def number(self) -> int:
        """Number of the last files; 0 before the first."""
        (found,) = self._db.execute("SELECT max(number) FROM files").fetchone()
        return int(found or 0)

    def digest(self, id: str) -> bytes | None:
        """Digest of the newest row of an id; None where it was not written or is retracted."""
        found = self._db.execute("SELECT digest FROM written WHERE id = ?", (id,)).fetchone()
        return found[0] if found else None

    def pending(self) -> dict[Path, Path]:
        """Files that belong to the export and may not have their names yet."""
        rows = self._db.execute("SELECT partial, final FROM pending")
        folder = self._path.parent
        return {folder / partial: folder / final for partial, final in rows}

    def renamed(self) -> None:
        """Note that every pending file has its name."""
        with self._transaction():
            self._db.execute("DELETE FROM pending")

    def commit(self, batch: Batch) -> None:
        """Write a batch down, wholly or not at all. Raises BackstreamError."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO next VALUES (?, ?)", batch.next.items())
            self._db.executemany(
                "INSERT OR REPLACE INTO written VALUES (?, ?)", batch.written.items()
            )
            self._db.executemany(
                "DELETE FROM written WHERE id = ?", [(id,) for id in batch.retracted]
            )
            # Relative, so that the export goes on from another directory, and where it was moved.
            named = [
                tuple(str(path.relative_to(self._path.parent)) for path in names)
                for names in batch.pending.items()
            ]
            self._db.executemany("INSERT OR REPLACE INTO pending VALUES (?, ?)", named)
            self._db.execute("DELETE FROM files")
            self._db.execute("INSERT INTO files VALUES (?)", (batch.number,))

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise BackstreamError(f"{self._path} cannot be written: {error}") from error
