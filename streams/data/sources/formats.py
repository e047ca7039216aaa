"""The formats that ``feed`` reads, by file extension; each also compressed."""

import re
from mimetypes import MimeTypes
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
    ".feather": "arrow",
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


_TEXTS = re.compile(
    r"(?:AUTHORS|BUGS|CHANGELOG|CHANGES|COPYING\d?|COPYRIGHT|HACKING|HISTORY|INSTALL|LICEN[CS]E|NEWS"
    r"|NOTICE|README|THANKS|TODO|Change[Ll]og|changelog|readme)\.[^.]+(?:[.-]\d+)*"
)
"""Names of texts whose extension says for whom or what they are, as of ``README.Debian``."""
_TYPES = MimeTypes(filenames=())
"""Extensions that say what a file holds, whatever it is called. Those of this machine are left out,
so that the same files are read everywhere.
"""


def format_of(path: PurePath) -> str | None:
    """The format of a file by its name. None for an extension that is not known."""
    extension = extension_of(path)
    if found := EXTENSIONS.get(extension):
        return found
    name = path.stem if path.suffix.lower() in COMPRESSED else path.name
    if _TEXTS.fullmatch(name) and _TYPES.guess_type(name)[0] is None:
        return "text"
    return "man" if _SECTION.fullmatch(extension) else None


def extension_of(path: PurePath) -> str:
    """The extension of a file in lower case, without that of its compression."""
    extension = path.suffix.lower()
    return PurePath(path.stem).suffix.lower() if extension in COMPRESSED else extension
