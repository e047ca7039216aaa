"""Writes the JSON Schema files: ``python -m schemas.generate``. A test holds them against the
code.
"""

import json
from pathlib import Path

from schemas.records import RECORDS, Record

DIRECTORY = Path(__file__).parent / "json"


def json_schema(record: type[Record]) -> str:
    """The JSON Schema of a record type, as the file's text."""
    schema = {
        "$id": f"{record.name}/{record.version}",
        **record.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def file_of(record: type[Record]) -> Path:
    """Where the schema of a record type lies."""
    return DIRECTORY / f"{record.name}.v{record.version}.json"


if __name__ == "__main__":
    for record in RECORDS:
        file_of(record).write_text(json_schema(record), encoding="utf-8")
