"""Finding files by arguments of the command line."""

import glob
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from schemas.errors import SettingsError, SourceError
from schemas.text import PassedOver, name_of
from streams.data.sources.choice import EVERY_FILE, Choice
from streams.data.sources.formats import FORMATS, extension_of, format_of
from streams.data.sources.stored import StoredFile, is_address, stored_files, without_user

_DESCRIPTIONS = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
"""What Hugging Face's ``save_to_disk`` writes beside the rows."""

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Stdin:
    """Standard input, named ``-`` on the command line."""

    stream: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)

    def __str__(self) -> str:
        return "stdin"


File = Path | StoredFile
Found = File | Stdin | PassedOver | SourceError
"""What looking for files yields."""


def discover(
    arguments: Sequence[str],
    choice: Choice = EVERY_FILE,
    formats: Collection[str] = FORMATS,
) -> Iterator[Found]:
    """The files that ``arguments`` name, each once: files, directories, globs (``**`` too), ``-``.

    Addresses such as ``s3://bucket/folder`` too, where an error is a value.

    A directory yields its files in sorted order, at every depth; hidden ones and those of an
    unknown extension are passed over, and so are those of other formats than ``formats`` and what
    ``choice`` refuses. Of a data set that Hugging Face's ``save_to_disk`` wrote, the rows are
    found. An argument that matches nothing is yielded as it is, so that ``read`` reports it.
    """
    seen: set[str] = set()
    for argument in arguments:
        for found in _expand(argument, formats):
            if isinstance(found, Stdin | SourceError):
                yield found
                continue
            name = found.where if isinstance(found, PassedOver) else str(found)
            if name in seen:
                continue
            seen.add(name)
            refused = None if isinstance(found, PassedOver) else choice.refuse(path_of(found))
            yield PassedOver(name_of(found), refused) if refused else found


def require_one(arguments: Sequence[str]) -> None:
    """Raise SettingsError if no argument names something that is there, so nothing can be read.

    Globs without a match are refused too. Addresses and standard input are not looked at.
    """
    missing = [argument for argument in arguments if not _may_be_there(argument)]
    if missing and len(missing) == len(arguments):
        raise SettingsError(
            f"nothing to read: there is no {', '.join(missing[:_MOST_NAMES])} in {Path.cwd()}; "
            "name files, directories or globs that are there, or - for standard input"
        )


def _may_be_there(argument: str) -> bool:
    if argument == "-":
        return True
    if argument.startswith("file:"):
        argument = local_path(argument)
    elif is_address(argument):
        return True
    return os.path.lexists(argument) or any(glob.iglob(argument, recursive=True))


def path_of(file: File) -> PurePath:
    """The path that tells a file's format, and that globs are compared with."""
    return file.name if isinstance(file, StoredFile) else file


def _expand(argument: str, formats: Collection[str]) -> Iterator[Found]:
    if argument == "-":
        yield Stdin()
    elif argument.startswith("file:"):
        yield from _expand(local_path(argument), formats)
    elif is_address(argument):
        try:
            for file in stored_files(argument):
                yield passed_over(file, argument, formats) or file
        except SourceError as error:
            yield error
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _walk(Path(argument), formats)
    else:
        matches = sorted(glob.glob(argument, recursive=True))
        # '**' matches folders as well as the files in them, so a file is found twice: `seen`
        # drops the second.
        for match in matches or [argument]:
            yield from _walk(Path(match), formats)


def local_path(address: str) -> str:
    """The path of a ``file:`` address."""
    return url2pathname(urlsplit(address).path)


def passed_over(file: StoredFile, address: str, formats: Collection[str]) -> PassedOver | None:
    """Why a file that was found below an address is not read; None where it is.

    One that the address or its glob names is read, or reported by ``read``.
    """
    below = file.address.removeprefix(without_user(address).rstrip("/"))
    if not below or below == file.address:
        return None
    if any(part.startswith(".") for part in PurePosixPath(below).parts):
        return PassedOver(file.address, "hidden file")
    if format_of(file.name) not in formats:
        return PassedOver(file.address, f"{extension_of(file.name) or 'unnamed'} file")
    return None


def _walk(path: Path, formats: Collection[str]) -> Iterator[Path | PassedOver]:
    if not path.is_dir():
        yield path
        return
    empty = True
    for folder, folders, files in os.walk(path):
        for name in sorted(name for name in folders if name.startswith(".")):
            yield PassedOver(name_of(Path(folder, name)), "hidden directory")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        saved = "dataset_dict.json" in files or any(name.endswith(".arrow") for name in files)
        for name in sorted(files):
            file = Path(folder, name)
            if name.startswith("."):
                yield PassedOver(name_of(file), "hidden file")
            elif saved and name in _DESCRIPTIONS:
                yield PassedOver(name_of(file), "description of a data set")
            elif saved and name.startswith("cache-") and name.endswith(".arrow"):
                yield PassedOver(name_of(file), "cache of a data set")
            elif format_of(file) not in formats:
                yield PassedOver(name_of(file), f"{extension_of(file) or 'unnamed'} file")
            else:
                empty = False
                yield file
    if empty:
        yield path
