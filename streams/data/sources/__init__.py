"""Documents from what a user gives to ``feed``.

``discover`` finds the files, ``read`` reads one of them. Errors are values: ``read`` yields a
SourceError for a file, a line or a row that cannot be read, and continues. What is passed over or
mended is a value as well.
"""

from streams.data.sources.choice import EVERY_FILE, Choice
from streams.data.sources.columns import Columns
from streams.data.sources.converter import Converter
from streams.data.sources.discovery import Stdin, discover, require_one
from streams.data.sources.formats import FORMATS, ROWS, format_of
from streams.data.sources.reading import Outcome, read

__all__ = [
    "EVERY_FILE",
    "FORMATS",
    "ROWS",
    "Choice",
    "Columns",
    "Converter",
    "Outcome",
    "Stdin",
    "discover",
    "format_of",
    "read",
    "require_one",
]
