"""ZIP archives with bounds, for the formats that are such archives."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from schemas.errors import NotConverted

_MOST = 256 * 1024 * 1024
"""Bytes that the files of an archive that are read may have when decompressed."""
_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of an encrypted document of Microsoft Office, and of an old one."""


@contextmanager
def opened(data: bytes, what: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive. Raises NotConverted where it is none, encrypted or damaged."""
    if data.startswith(_OFFICE):
        raise NotConverted(
            f"not {what} but one that is encrypted, or of an old Microsoft Office: save it again"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise NotConverted(f"{what} that is damaged ({error}); fetch it again") from error
    except (RuntimeError, NotImplementedError) as error:  # a password, an unknown compression
        raise NotConverted(f"{what} that cannot be unpacked ({error})") from error


def check_size(archive: zipfile.ZipFile, names: Iterable[str]) -> None:
    """Raise NotConverted where these files become too large."""
    size = sum(archive.getinfo(name).file_size for name in names)
    if size > _MOST:
        raise NotConverted(
            f"its text has {size:,} bytes when decompressed, over the limit of {_MOST:,}: split it"
        )
