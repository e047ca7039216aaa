"""Writes the JSON Schema files: ``python -m schemas.generate``.

A test compares the files with the records.
"""

import json
from pathlib import Path

from schemas.record import Record
from schemas.records import RECORDS

DIRECTORY = Path(__file__).parent / "json"


def json_schema(record: type[Record]) -> str:
    """The JSON Schema of a record type, as the text of its file."""
    schema = {
        "$id": f"{record.name}/{record.version}",
        **record.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def file_of(record: type[Record]) -> Path:
    """Path of the schema file of a record type."""
    return DIRECTORY / f"{record.name}.v{record.version}.json"


if __name__ == "__main__":
    for record in RECORDS:
        file_of(record).write_text(json_schema(record), encoding="utf-8")
