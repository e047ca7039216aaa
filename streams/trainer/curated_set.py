"""The curated set as a SQLite file: ``curated`` folded by id, and the offsets that were read.

Examples and offsets are written in one transaction, so that a crash neither loses nor repeats an
example.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from schemas.errors import TrainingError
from schemas.records import Example
from schemas.release import Release
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader

_SCHEMA = """
CREATE TABLE IF NOT EXISTS examples (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    term INTEGER,
    release TEXT,
    data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS offsets (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    release TEXT PRIMARY KEY,
    arrival INTEGER NOT NULL,
    at REAL NOT NULL,
    announcement TEXT NOT NULL,
    announced INTEGER NOT NULL
);
"""

_VERSION = 1
_FORGET = f"""
BEGIN;
DROP TABLE IF EXISTS examples;
DROP TABLE IF EXISTS offsets;
PRAGMA user_version = {_VERSION};
COMMIT;
"""
"""Drops the examples of an earlier version: the topic holds them all. Keeps the training runs."""


class CuratedSet:
    """Examples by id, as of the stored offsets. Has one writer; not shared between threads."""

    def __init__(self, file: Path, reader: RecordReader | None = None) -> None:
        self._reader = reader or RecordReader()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            if self._database.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                self._database.executescript(_FORGET)
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise TrainingError(f"the curated set {file} cannot be opened: {error}") from error

    @classmethod
    @contextmanager
    def looked_at(cls, file: Path) -> Iterator["CuratedSet | None"]:
        """The set as its trainer has it, to read; None where none is there. Raises TrainingError.

        The file is neither made nor changed.
        """
        if not file.is_file():
            yield None
            return
        looking = cls.__new__(cls)
        try:
            looking._database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
            with closing(looking._database) as database:
                known = database.execute("PRAGMA user_version").fetchone()[0] == _VERSION
                yield looking if known else None
        except sqlite3.Error as error:
            raise TrainingError(f"the curated set {file} cannot be read: {error}") from error

    def __enter__(self) -> "CuratedSet":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def offsets(self) -> dict[int, int]:
        """Partition of ``curated`` to the next offset to read."""
        return dict(self._database.execute("SELECT partition, next FROM offsets"))

    def apply(self, messages: Iterable[Received]) -> int:
        """Fold messages and their offsets in, in one transaction; return how many changed the set.

        A null value retracts an example. Messages that cannot be read are passed over. Raises
        TrainingError.
        """
        changed = 0
        try:
            with self._transaction():
                for message in messages:
                    changed += self._apply_one(message)
                    self._database.execute(
                        "INSERT INTO offsets VALUES (?, ?) ON CONFLICT (partition) DO UPDATE "
                        "SET next = excluded.next",
                        (message.partition, message.offset + 1),
                    )
        except sqlite3.Error as error:
            raise TrainingError(
                f"the curated set cannot be written ({error}); nothing of this batch was kept"
            ) from error
        return changed

    def examples(self, since_term: int = 0) -> Iterator[Example]:
        """Human seeds, and the examples rated in a term of at least ``since_term``, by arrival.

        An example arrives when it is first kept, and again when another release has rated it.
        """
        query = "SELECT data FROM examples WHERE term IS NULL OR term >= ? ORDER BY arrival"
        for (data,) in self._database.execute(query, (since_term,)):
            yield Example.model_validate_json(data)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM examples").fetchone()[0])

    def count(self) -> tuple[int, int]:
        """Number of human seeds, and of examples that a model rated."""
        query = "SELECT count(*) - count(term), count(term) FROM examples"
        seeds, rated = self._database.execute(query).fetchone()
        return seeds, rated

    def arrivals_since_training(self, since_term: int = 0) -> int:
        """Number of these that arrived after the last training run."""
        query = """
            SELECT count(*) FROM examples WHERE (term IS NULL OR term >= ?)
            AND arrival > (SELECT coalesce(max(arrival), 0) FROM runs)
        """
        return int(self._database.execute(query, (since_term,)).fetchone()[0])

    def last_training(self) -> float | None:
        """When the last run ended, in seconds since the epoch. None before the first."""
        return self._database.execute("SELECT max(at) FROM runs").fetchone()[0]  # type: ignore[no-any-return]

    def newest_arrival(self) -> int:
        """Number of the newest example: a run that starts now is trained up to it."""
        return int(
            self._database.execute("SELECT coalesce(max(arrival), 0) FROM examples").fetchone()[0]
        )

    def record_run(self, release: Release, arrival: int, at: float) -> None:
        """Store that ``release`` was trained on the examples up to ``arrival``.

        To be called before it is announced.
        """
        self._database.execute(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, 0)",
            (release.id, arrival, at, release.model_dump_json()),
        )

    def unannounced(self) -> list[Release]:
        """Releases of stored runs that were not announced, because of a crash.

        Announcing one twice does no harm.
        """
        rows = self._database.execute(
            "SELECT announcement FROM runs WHERE announced = 0 ORDER BY at"
        )
        return [Release.model_validate_json(data) for (data,) in rows]

    def mark_announced(self, release: str) -> None:
        """Store that the broker has acknowledged the announcement."""
        self._database.execute("UPDATE runs SET announced = 1 WHERE release = ?", (release,))

    def _apply_one(self, message: Received) -> int:
        entry = self._reader.read_entry(message, Example)
        if entry is None:
            return 0
        if entry.record is None:
            return self._database.execute("DELETE FROM examples WHERE id = ?", (entry.id,)).rowcount
        example = entry.record
        rated = (example.rating.term, example.rating.release) if example.rating else (None, None)
        # An example that another release has rated arrives again.
        self._database.execute(
            "DELETE FROM examples WHERE id = ? AND (term IS NOT ? OR release IS NOT ?)",
            (example.id, *rated),
        )
        self._database.execute(
            "INSERT INTO examples (id, term, release, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            (example.id, *rated, example.model_dump_json()),
        )
        return 1

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)


class _Transaction:
    """``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on an error."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
