"""The SQLite file: made anew where it cannot be used, one writer, any number of readers."""

import contextlib
import queue
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from models.private_files import PRIVATE_MODE, private_directory, private_umask
from schemas.errors import StoreError
from streams.page.store.schema import SCHEMA, VERSION
from streams.page.store.search import indexed

_BUSY_SECONDS = 30
_PRAGMAS = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA temp_store=MEMORY;
PRAGMA cache_size=-32768;
PRAGMA mmap_size=1073741824;
"""
_FILES = ("", "-wal", "-shm")


class Database:
    """A file that holds nothing that the topics do not, so that it may be deleted at any time.

    Use as a context manager. Every method may be called by any thread.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Open ``file``, or a temporary one. A damaged one, or one of another version, is replaced.

        Raises StoreError where it cannot be opened, or another process writes it.
        """
        self._stack = ExitStack()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._writing = threading.Lock()
        try:
            with ExitStack() as opening:
                if file is None:
                    directory = opening.enter_context(tempfile.TemporaryDirectory())
                    file = Path(directory) / "page.sqlite"
                self._file = file
                private_directory(file.parent)
                self._lock(opening)
                with private_umask():
                    self._writer = self._opened()
                opening.callback(self._writer.close)
                self._stack = opening.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{file} cannot be opened: {error}") from error

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._readers.get_nowait().close()
        with self._writing:
            self._stack.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries, which see one state of the file. Raises StoreError."""
        try:
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = self._connect()
                connection.execute("PRAGMA query_only=ON")
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")
                self._readers.put(connection)
        except sqlite3.Error as error:
            raise StoreError(f"{self._file} cannot be read: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection of the only writer, in a transaction that an error rolls back.

        Raises StoreError.
        """
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreError(
                    f"{self._file} cannot be written: {error}; nothing of this batch was kept"
                ) from error

    def _lock(self, stack: ExitStack) -> None:
        lock = FileLock(f"{self._file}.lock", blocking=False, mode=PRIVATE_MODE)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"another page uses {self._file}: stop it, or give this one another --state-dir"
            ) from error
        stack.callback(lock.release)

    def _opened(self) -> sqlite3.Connection:
        with contextlib.suppress(sqlite3.DatabaseError):
            connection = self._connect()
            if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                return connection
            connection.close()
        for suffix in _FILES:
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)
        connection = self._connect()
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
        )
        try:
            connection.executescript(_PRAGMAS)
            connection.create_function("indexed", 1, indexed, deterministic=True)
        except BaseException:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
        return connection


def clear(writer: sqlite3.Connection) -> None:
    """Delete every row, within the writer's transaction."""
    # The shadow tables of the search index are emptied by its own command.
    writer.execute("INSERT INTO search(search) VALUES ('delete-all')")
    tables = writer.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'search%'"
        " AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for (name,) in tables:
        writer.execute(f'DELETE FROM "{name}"')
