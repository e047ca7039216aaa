"""The settings: type, limits, default and variable of each, from the pydantic models."""

from collections.abc import Iterator
from typing import Any

from documentation.reference.markdown import GENERATED, code, table
from streams.settings import Settings

_INTRODUCTION = """\
# Types and limits of the settings

What a value of each setting may be, its default, and its variable of the environment.
[Settings](../settings.md#every-key) says what each means. `TOPIC`, `ROLE` and the like stand for
names. `backstream config show` prints the values that are used.

"""
_OF_THE_MACHINE = {"training.threads": "the CPUs of the machine"}
"""Defaults that differ between machines."""
_LONGEST = 60
"""Characters of a default that is shown; a longer one is in the settings page."""
_SPREAD = {"kafka.topics": "TOPIC", "remote.prices": "ROLE"}
"""Sections whose parts all have the same keys."""


def page() -> str:
    """The page of all settings."""
    schema = Settings.model_json_schema(mode="validation")
    parts = [GENERATED, _INTRODUCTION]
    for section, rows in _sections(schema):
        title = f"`{section}`" if section else "Top level"
        parts.append(f"## {title}\n\n")
        parts.append(table(("key", "type", "limits", "default", "variable"), rows) + "\n")
    return "".join(parts).rstrip("\n") + "\n"


Row = tuple[str, str, str, str, str]


def _sections(
    schema: dict[str, Any], section: str = "", at: dict[str, Any] | None = None
) -> Iterator[tuple[str, list[Row]]]:
    """Yield each section's name and rows, a section before those within it."""
    properties = (at or schema).get("properties", {})
    inner: dict[str, dict[str, Any]] = {}
    rows: list[Row] = []
    for key, value in properties.items():
        path = f"{section}.{key}" if section else key
        target = _target(schema, value)
        if "properties" in target:
            inner[path] = target
        else:
            rows.append(_row(schema, path, key, value))
    if rows:
        yield section, rows
    for path, target in inner.items():
        if path in _SPREAD:
            each = next(iter(target["properties"].values()))
            yield from _sections(schema, f"{path}.{_SPREAD[path]}", _target(schema, each))
        else:
            yield from _sections(schema, path, target)


def _target(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """The definition that a property refers to, or the property itself."""
    if "$ref" in value:
        target: dict[str, Any] = schema["$defs"][value["$ref"].rpartition("/")[2]]
        return target
    return value


def _row(schema: dict[str, Any], path: str, key: str, value: dict[str, Any]) -> Row:
    variable = "BACKSTREAM_" + path.upper().replace(".", "__")
    kinds = [_target(schema, each) for each in value.get("anyOf", [value])]
    kinds = [each for each in kinds if each.get("type") != "null"]
    return (
        code(key),
        " or ".join(dict.fromkeys(_type(schema, each) for each in kinds)),
        "; ".join(filter(None, dict.fromkeys(map(_limits, kinds)))),
        _default(path, value),
        code(variable),
    )


def _type(schema: dict[str, Any], kind: dict[str, Any]) -> str:
    if "enum" in kind:
        return ", ".join(code(str(choice)) for choice in kind["enum"])
    if "const" in kind:
        return code(str(kind["const"]))
    name = kind.get("type", "any")
    if name == "array":
        return f"list of {_type(schema, _target(schema, kind.get('items', {})))}"
    if name == "object":
        values = kind.get("additionalProperties")
        of = _type(schema, _target(schema, values)) if isinstance(values, dict) else "any"
        return f"map to {of}"
    if name == "string":
        formats = {"path": "path", "file-path": "path", "password": "secret"}
        return formats.get(kind.get("format", ""), "text")
    return {"integer": "integer", "number": "number", "boolean": "`true`, `false`"}.get(name, name)


def _limits(kind: dict[str, Any]) -> str:
    words = (
        ("minimum", "at least {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "at most {}"),
        ("exclusiveMaximum", "below {}"),
        ("minLength", "{} characters or more"),
    )
    found = (form.format(_number(kind[key])) for key, form in words if key in kind)
    return ", ".join(found)


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1_000_000 else f"{value:.0f}"


def _default(path: str, value: dict[str, Any]) -> str:
    if path in _OF_THE_MACHINE:
        return _OF_THE_MACHINE[path]
    if "default" not in value:
        return _default_made(path)
    return _shown(value["default"])


def _default_made(path: str) -> str:
    """A default that a factory makes."""
    value: Any = Settings.model_construct()
    for key in path.split("."):
        value = getattr(value, key, None)
    return _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if value in ("", [], ()):
        return "empty"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, list | tuple | dict) and len(text) > _LONGEST:
        return f"{len(value)} values"
    return code(text)
