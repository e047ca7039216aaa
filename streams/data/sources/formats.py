"""The formats that ``feed`` reads, by file extension; each also compressed."""

from pathlib import PurePath

EXTENSIONS = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".warc": "warc",
    ".wet": "warc",
}
COMPRESSED = (".gz", ".bgz", ".bz2", ".xz", ".zst", ".zstd")
"""Extensions that may follow. The first bytes of a file say whether and how it is compressed."""
FORMATS = tuple(dict.fromkeys(EXTENSIONS.values()))
"""The names that ``--format`` takes."""
ROWS = ("jsonl", "json", "csv", "parquet", "arrow")
"""Those that have rows."""


def format_of(path: PurePath) -> str | None:
    """The format of a file by its name. None for an extension that is not known."""
    return EXTENSIONS.get(extension_of(path))


def extension_of(path: PurePath) -> str:
    """The extension of a file in lower case, without that of its compression."""
    extension = path.suffix.lower()
    return PurePath(path.stem).suffix.lower() if extension in COMPRESSED else extension
