"""The formats that ``feed`` reads, by file extension; each also compressed."""

import re
from pathlib import PurePath

EXTENSIONS = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".epub": "epub",
    ".rst": "rst",
    ".rest": "rst",
    ".man": "man",
    ".mdoc": "man",
    ".roff": "man",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
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


_SECTION = re.compile(r"\.[1-9n](?:[a-z][a-z0-9_+-]{0,11})?")
"""Extension of a manual page: the section, and perhaps what it is about, as in ``.3pm``."""


def format_of(path: PurePath) -> str | None:
    """The format of a file by its name. None for an extension that is not known."""
    extension = extension_of(path)
    return EXTENSIONS.get(extension, "man" if _SECTION.fullmatch(extension) else None)


def extension_of(path: PurePath) -> str:
    """The extension of a file in lower case, without that of its compression."""
    extension = path.suffix.lower()
    return PurePath(path.stem).suffix.lower() if extension in COMPRESSED else extension
