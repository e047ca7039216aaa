"""Finding files by arguments of the command line."""

import glob
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from schemas.text import PassedOver, name_of
from streams.data.sources.choice import EVERY_FILE, Choice
from streams.data.sources.formats import FORMATS, extension_of, format_of

_DESCRIPTIONS = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
"""What Hugging Face's ``save_to_disk`` writes beside the rows."""


@dataclass(frozen=True, slots=True)
class Stdin:
    """Standard input, named ``-`` on the command line."""

    stream: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)

    def __str__(self) -> str:
        return "stdin"


def discover(
    arguments: Sequence[str],
    choice: Choice = EVERY_FILE,
    formats: Collection[str] = FORMATS,
) -> Iterator[Path | Stdin | PassedOver]:
    """The files that ``arguments`` name, each once: files, directories, globs (``**`` too), ``-``.

    A directory yields its files in sorted order, at every depth; hidden ones and those of an
    unknown extension are passed over, and so are those of other formats than ``formats`` and what
    ``choice`` refuses. Of a data set that Hugging Face's ``save_to_disk`` wrote, the rows are
    found. An argument that matches nothing is yielded as it is, so that ``read`` reports it.
    """
    seen: set[Path] = set()
    for argument in arguments:
        for found in _expand(argument, formats):
            path = Path(found.where) if isinstance(found, PassedOver) else found
            if isinstance(path, Path):
                if path in seen:
                    continue
                seen.add(path)
            refused = choice.refuse(found) if isinstance(found, Path) else None
            yield PassedOver(name_of(path), refused) if refused else found


def _expand(argument: str, formats: Collection[str]) -> Iterator[Path | Stdin | PassedOver]:
    if argument == "-":
        yield Stdin()
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _walk(Path(argument), formats)
    else:
        matches = sorted(glob.glob(argument, recursive=True))
        # '**' matches folders as well as the files in them, so a file is found twice: `seen`
        # drops the second.
        for match in matches or [argument]:
            yield from _walk(Path(match), formats)


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
