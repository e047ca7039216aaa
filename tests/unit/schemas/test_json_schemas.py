"""The JSON Schema files in the repository match the records."""

import json

import pytest

from schemas.generate import DIRECTORY, file_of, json_schema
from schemas.record import Record
from schemas.records import RECORDS, Request


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_the_file_is_the_code(record: type[Record]) -> None:
    assert file_of(record).read_text(encoding="utf-8") == json_schema(record), (
        "run python -m schemas.generate"
    )


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_schema_names_its_record_and_version(record: type[Record]) -> None:
    schema = json.loads(json_schema(record))
    assert schema["$id"] == f"{record.name}/{record.version}"
    assert set(schema["properties"]) == set(record.model_fields)


def test_no_file_is_stale() -> None:
    assert set(DIRECTORY.iterdir()) == {file_of(record) for record in RECORDS}


def test_no_two_records_share_a_name() -> None:
    assert len({record.name for record in RECORDS}) == len(RECORDS)
    every = {*Record.__subclasses__(), *Request.__subclasses__()} - {Request}
    assert set(RECORDS) == every
