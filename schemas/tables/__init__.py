"""Tables as rows: CSV, Parquet and Arrow files, for documents and human pairs alike.

Each reader takes an open file, its name for errors, and ``choose``, which is given the names of all
columns and returns those to read, or raises SourceError where none fits. A row is an object with
the columns as its fields, as ``schemas.text.read_rows`` yields for JSON.
"""

from schemas.tables.arrow import ARROW_MARKS, arrow_rows
from schemas.tables.delimited import delimited_rows
from schemas.tables.parquet import PARQUET_MARK, parquet_rows

__all__ = ["ARROW_MARKS", "PARQUET_MARK", "arrow_rows", "delimited_rows", "parquet_rows"]
