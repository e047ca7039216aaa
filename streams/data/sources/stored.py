"""Files in buckets, on servers and in archives, by addresses that fsspec knows: ``s3://…``."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from schemas.errors import SourceError, SourceUnavailable

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::[A-Za-z][A-Za-z0-9+.-]*)*://")
_USER = re.compile(r"(?<=://)[^/@]*@")
_MAGIC = re.compile(r"[*?\[]")
_WEB = ("http", "https")
_ADVICE = dict.fromkeys(("s3", "s3a"), "pip install s3fs")
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "content_md5", "checksum", "mtime", "size")
"""What stores tell about the version of a file."""
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that fsspec opens. Its name is its address, without a user's name and password."""

    address: str
    path: str = field(repr=False)
    """Its name in the store."""
    filesystem: Any = field(compare=False, repr=False)
    info: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the store told about it when it was listed."""

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> PurePosixPath:
        """Its path, to tell its format by."""
        path = self.path.partition("?")[0] if self.address.startswith(_WEB) else self.path
        return PurePosixPath(path)

    @property
    def version(self) -> str:
        """What changes when the file does: size, times and sums as far as the store has them."""
        found = {name: self.info.get(name) for name in (*_VERSIONS, *_TIMES)}
        return " ".join(f"{name}={_stamp(value)}" for name, value in found.items() if value)

    @property
    def changed_at(self) -> float | None:
        """When it was last changed, in seconds since the epoch; None where it is not told."""
        times = (_stamp(self.info.get(name)) for name in _TIMES)
        return next((float(one) for one in times if isinstance(one, int | float)), None)

    def now(self) -> "StoredFile":
        """The file as the store tells about it now. Raises SourceUnavailable."""
        with self._available():
            self.filesystem.invalidate_cache()
            return replace(self, info=self.filesystem.info(self.path))

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it for reading.

        Raises FileNotFoundError, and SourceUnavailable for whatever else the store's library
        raises, as reading does.
        """
        with self._available():
            opened = _Opened(self.filesystem.open(self.path, mode), self._available)
            return cast(BinaryIO, io.BufferedReader(opened))

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise SourceUnavailable(f"{self}: cannot be read: {_reason(error)}") from error


class _Opened(io.RawIOBase):
    """A file of fsspec, whose errors are translated."""

    def __init__(self, file: Any, available: Callable[[], AbstractContextManager[None]]) -> None:
        self._file = file
        self._available = available

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def readinto(self, buffer: Any) -> int:
        with self._available():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._available():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def is_address(argument: str) -> bool:
    """Whether an argument is an address rather than a path: it begins with ``NAME://``."""
    return _ADDRESS.match(argument) is not None


def without_user(address: str) -> str:
    """An address without the name and password of a user."""
    return _USER.sub("", address)


def stored_files(address: str, *, fresh: bool = False) -> Iterator[StoredFile]:
    """The files of an address: one, those below a folder or bucket, or those that a glob matches.

    In sorted order. ``fresh`` asks the store again where fsspec remembers an earlier listing. An
    address on the web is one file. Raises SourceError where it cannot be read, or where the library
    that reads it is not installed.
    """
    shown = without_user(address)
    try:
        filesystem, path = _opened(address)
        if fresh:
            filesystem.invalidate_cache()
        if address.startswith(_WEB):
            yield StoredFile(shown, path, filesystem)
            return
        found = _listed(filesystem, path)
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{shown}: there is nothing at this address") from None
    except Exception as error:
        raise SourceError(f"{shown}: cannot be read: {_reason(error)}") from error
    for name in sorted(found):
        if found[name].get("type") != "directory":
            yield StoredFile(_named(shown, path, name, filesystem), name, filesystem, found[name])


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it. Raises SourceError without a driver."""
    from fsspec.core import url_to_fs  # Not for every command: it takes a moment to import.
    from fsspec.registry import known_implementations

    protocol = address.partition(":")[0]
    try:
        return url_to_fs(address)
    except ImportError as error:
        advice = _ADVICE.get(protocol) or known_implementations.get(protocol, {}).get("err", error)
        raise SourceError(
            f"{without_user(address)}: the library that reads {protocol}:// is not installed: "
            f"{advice}"
        ) from error
    except ValueError as error:
        if protocol in known_implementations:
            raise
        raise SourceError(
            f"{without_user(address)}: nothing reads {protocol}:// addresses: s3, gs, abfs, sftp, "
            "http and others of fsspec are read"
        ) from error


def _listed(filesystem: Any, path: str) -> Mapping[str, Mapping[str, Any]]:
    """Names of files, and what the store tells about each. Raises what the store raises."""
    if _MAGIC.search(path):
        found = filesystem.glob(path, detail=True)
    elif filesystem.isfile(path):
        return {path: filesystem.info(path)}
    else:
        found = filesystem.find(path, detail=True)
    if not found:
        raise FileNotFoundError(path)
    return cast("Mapping[str, Mapping[str, Any]]", found)


def _named(shown: str, path: str, name: str, filesystem: Any) -> str:
    """The address of a file that was found below ``shown``, whose path is ``path``."""
    if (magic := _MAGIC.search(path)) is not None:
        start = _MAGIC.search(shown)
        shown, path = shown[: start.start() if start else None], path[: magic.start()]
    shown = shown.rstrip("/")
    below = path.rstrip("/")
    if "::" not in shown and shown.endswith(below) and name.startswith(below):
        return shown[: len(shown) - len(below)] + name
    return str(filesystem.unstrip_protocol(name))


def _stamp(value: object) -> object:
    """A time in one form: stores give the same one as a number and as a date."""
    return value.timestamp() if isinstance(value, datetime) else value


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
