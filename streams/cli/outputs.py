"""Refuses to write to a file that the same command reads."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer


def refuse_overwriting(output: Path, inputs: Iterable[Path]) -> None:
    """Raise typer.BadParameter where ``output`` is one of the files that are read.

    Links to a file are that file.
    """
    for read in inputs:
        if _is_same(output, read):
            raise typer.BadParameter(
                f"{output} is read by this command, which would overwrite it: name another file",
                param_hint="--output",
            )


def is_standard_output(path: Path) -> bool:
    """Whether what is printed goes to this file."""
    try:
        printed, found = os.fstat(sys.stdout.fileno()), path.stat()
    except (AttributeError, OSError, ValueError):  # no standard output, or one without a file
        return False
    return stat.S_ISREG(found.st_mode) and os.path.samestat(printed, found)


def paths_in(value: Any) -> Iterator[Path]:
    """Every path in a value and in what it holds."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from paths_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from paths_in(one)


def _is_same(output: Path, read: Path) -> bool:
    try:
        return os.path.samefile(output, read)
    except OSError:  # one of the two is not there
        return False
