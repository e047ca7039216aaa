"""Where the value of each setting comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from streams.settings.schema import Settings

DEFAULT = "default"
Layer = tuple[str, Mapping[str, Any]]
"""A source of settings: its name, and the keys and values that it states."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of a setting."""

    key: str
    """Its sections and its name, as in ``kafka.topics.documents.partitions``."""
    value: Any
    """As JSON has it. A secret is starred out."""
    origin: str
    """The source that states it, or ``default``."""


def values_of(settings: Settings, layers: Sequence[Layer]) -> list[Setting]:
    """Every setting, in the order of the schema. Later ``layers`` override earlier ones."""
    return [
        Setting(".".join(path), _plain(value), _origin(path, layers))
        for path, value in _walk(settings)
    ]


def _walk(section: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _walk(value, (*path, name))
        else:
            yield (*path, name), value


def _origin(path: Sequence[str], layers: Sequence[Layer]) -> str:
    for name, stated in reversed(layers):
        found: Any = stated
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                break
            found = found[key]
        else:
            return name
    return DEFAULT


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
