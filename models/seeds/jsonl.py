"""Records in JSON Lines files, the input of the training process."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from schemas.errors import TrainingError
from schemas.record import Record

R = TypeVar("R", bound=Record)


def read_records(file: Path, kind: type[R], called: str) -> list[R]:
    """Read the records of a file, skipping blank lines.

    ``called`` is what error messages call such a record. Raises TrainingError where the file or a
    line cannot be read; the message names it.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise TrainingError(f"{file} cannot be read: {error.strerror or error}") from error
    return [
        _read(line, kind, f"{file}:{number} is not {called}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _read(line: bytes, kind: type[R], fault: str) -> R:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "it"
        raise TrainingError(f"{fault}: {field}: {first['msg']}") from error
