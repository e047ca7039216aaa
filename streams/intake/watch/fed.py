"""What was fed of one source, as a SQLite file. It survives a kill at any moment.

Each document that the broker has acknowledged is there by its id, and each item that was read whole
by its version. Before documents are sent, the ends of the topic are written down: what a killed
process had sent lies behind them, and is found there at the next start.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from models.private_files import PRIVATE_MODE, private_directory
from schemas.errors import SettingsError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (item TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sending (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_DIRECTORY = "watched"
_BUSY_SECONDS = 30.0


class Fed:
    """The state of one source. Use as a context manager. Used by one thread at a time.

    Raises SettingsError where the file cannot be used, where another process watches the same
    source, and where it tells what was fed to another cluster.
    """

    def __init__(self, state_dir: Path, prefix: str, source: str, cluster: str) -> None:
        """``prefix`` is that of the topics, ``cluster`` the id of the Kafka cluster."""
        name = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._file = state_dir / _DIRECTORY / f"{prefix}{name}.sqlite"
        self._source = source
        try:
            private_directory(self._file.parent)
            self._lock = self._locked()
            self._database = sqlite3.connect(
                self._file, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
            )
            # A kill loses nothing that was committed; a power failure may lose the last moments.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"{self._file}, which holds what was fed of {source}, cannot be used: {error}"
            ) from error
        self._check(cluster)

    def __enter__(self) -> "Fed":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        os.close(self._lock)

    def has(self, id: str) -> bool:
        """Whether the broker has acknowledged a document."""
        return self._one("SELECT 1 FROM documents WHERE id = ?", _packed(id)) is not None

    def version(self, item: str) -> str | None:
        """The version of an item that was read whole, or None."""
        return self._one("SELECT version FROM items WHERE item = ?", item)

    def complete(self, item: str, version: str) -> None:
        """An item was read whole, and all its documents are acknowledged."""
        self._database.execute("INSERT OR REPLACE INTO items VALUES (?, ?)", (item, version))

    def note(self, name: str) -> str | None:
        """What the source has noted under a name."""
        return self._one("SELECT value FROM notes WHERE name = ?", name)

    def set_note(self, name: str, value: str | None) -> None:
        """Note something, or forget it."""
        if value is None:
            self._database.execute("DELETE FROM notes WHERE name = ?", (name,))
        else:
            self._database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def begin(self, ends: Mapping[int, int]) -> None:
        """Documents are about to be sent. ``ends``: the next offset of each partition."""
        with self._transaction():
            self._database.execute("DELETE FROM sending")
            self._database.executemany("INSERT INTO sending VALUES (?, ?)", ends.items())

    def finish(self, ids: Iterable[str]) -> None:
        """The broker has acknowledged these documents, and nothing is being sent any more."""
        with self._transaction():
            self._database.executemany(
                "INSERT OR IGNORE INTO documents VALUES (?)", ((_packed(id),) for id in ids)
            )
            self._database.execute("DELETE FROM sending")

    def unfinished(self) -> dict[int, int]:
        """The ends that the last ``begin`` has written, where no ``finish`` followed it."""
        return dict(self._database.execute("SELECT partition, offset FROM sending"))

    def _one(self, query: str, value: object) -> str | None:
        row = self._database.execute(query, (value,)).fetchone()
        return row[0] if row else None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _locked(self) -> int:
        """Lock the source for this process, until it ends however it does."""
        descriptor = os.open(
            self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise SettingsError(
                f"another `backstream watch` watches {self._source} with this state directory: "
                "stop it, or choose another --state-dir"
            ) from None
        return descriptor

    def _check(self, cluster: str) -> None:
        known = self.note("cluster")
        if known is None:
            self.set_note("cluster", cluster)
            self.set_note("source", self._source)
        elif known != cluster:
            self.__exit__()
            raise SettingsError(
                f"{self._file} holds what was fed of {self._source} to another Kafka cluster "
                f"({known}, this one is {cluster}): choose another --state-dir, or remove the file "
                "to feed everything to this one"
            )


def _packed(id: str) -> bytes:
    """An id in half of the space where it is hexadecimal, as Backstream's are."""
    try:
        return bytes.fromhex(id)
    except ValueError:
        return id.encode()
