"""The formats that ``feed`` reads, by file extension; each also with ``.gz``."""

from pathlib import PurePath

from schemas.errors import SourceError

EXTENSIONS = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".warc": "warc",
    ".wet": "warc",
}
FORMATS = tuple(dict.fromkeys(EXTENSIONS.values()))
"""The names that ``--format`` takes."""


def format_of(path: PurePath) -> str:
    """The format of a file by its name. Raises SourceError for an unknown extension."""
    extension = _extension(path)
    if extension not in EXTENSIONS:
        raise SourceError(
            f"{path}: nothing reads {extension!r} files; name the format with --format "
            f"({', '.join(FORMATS)})"
        )
    return EXTENSIONS[extension]


def is_known(path: PurePath) -> bool:
    """Whether a file found in a directory is to be read."""
    return _extension(path) in EXTENSIONS


def _extension(path: PurePath) -> str:
    return (
        PurePath(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    )
