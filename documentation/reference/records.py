"""The records, from their JSON Schema files."""

import json
from typing import Any

from documentation.reference.markdown import GENERATED, code, table
from schemas.generate import file_of
from schemas.record import Record
from schemas.records import RECORDS

_INTRODUCTION = """\
# Records

The fields of each record, from the JSON Schema files in `schemas/json/`, which programs can use.
Unknown fields are dropped when a record is read. [The wire](../wire.md) says how a record is
encoded and what its fields are for.

"""


def page() -> str:
    """The page of all records."""
    return GENERATED + _INTRODUCTION + "\n".join(map(_section, RECORDS))


def anchor(record: type[Record]) -> str:
    """The anchor of a record's heading."""
    return record.__name__.lower()


def _section(record: type[Record]) -> str:
    schema = json.loads(file_of(record).read_text(encoding="utf-8"))
    parts = [f"## {record.__name__}\n\n", _head(schema), f"Schema: `{schema['$id']}`.\n\n"]
    parts.append(_fields(schema))
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner:
            parts.append(f"\n### {name} of {record.__name__}\n\n{_head(inner)}{_fields(inner)}")
        else:
            parts.append(f"\n### {name} of {record.__name__}\n\n{_head(inner)}{_kind(inner)}\n")
    return "".join(parts)


def _head(schema: dict[str, Any]) -> str:
    text = schema.get("description", "").replace("``", "`").replace("<", "&lt;").strip()
    return f"{text}\n\n" if text else ""


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = (
        (
            code(name),
            _kind(field),
            "required" if name in required and "default" not in field else _default(field),
        )
        for name, field in schema["properties"].items()
    )
    return table(("field", "type", "default"), rows)


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return ""
    return code(json.dumps(field["default"], ensure_ascii=False))


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"])
    if "enum" in field:
        return ", ".join(code(str(choice)) for choice in field["enum"])
    if "const" in field:
        return code(str(field["const"]))
    name = field.get("type", "any")
    if name == "array":
        return f"list of {_kind(field.get('items', {}))}"
    if name == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map to {_kind(field['additionalProperties'])}"
    return str(name)
