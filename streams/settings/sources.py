"""Where settings come from: defaults, a YAML file, the environment (``BACKSTREAM_...``), flags.

Each source overrides the ones before it, key by key. A mapping that is the value of one key, such
as ``generation.openings``, is replaced whole. An unknown key is an error that names the nearest
known one. ``${NAME}`` in the file stands for an environment variable.
"""

import difflib
import os
import re
from collections.abc import Mapping
from functools import reduce
from itertools import accumulate
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource
from pydantic_settings import PydanticBaseSettingsSource as Source
from pydantic_settings import SettingsError as UnreadableSource

from schemas.errors import SettingsError
from streams.settings.origins import Layer
from streams.settings.schema import Settings

_OTHER_VARIABLES = {
    "BACKSTREAM_CACHE",
    "BACKSTREAM_RATER",
    "BACKSTREAM_REMOTE_KEY",
    "BACKSTREAM_REMOTE_KEY_BACKWARD",
    "BACKSTREAM_REMOTE_KEY_FORWARD",
}
"""Variables of Backstream that are not settings. Each is read where it is used."""
_SECRET = ("password", "token", "model", "backward", "forward")
"""Ends of the keys whose values no message repeats."""
_DEEPEST = 100
"""Levels of brackets. PyYAML visits all levels at each token: 2 kB of brackets took a second."""


def load(
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: tuple[str, ...] = (),
) -> Settings:
    """Read the settings from a file, the environment, ``key.path=value`` assignments and flags.

    A flag of None counts as not given. Raises SettingsError, which names the key and, for an
    unknown one, the nearest known.
    """
    return load_with_layers(file, flags, assignments)[0]


def load_with_layers(
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: tuple[str, ...] = (),
) -> tuple[Settings, list[Layer]]:
    """The same, and what each source states, in the order in which they override each other."""
    _refuse_unknown_variables()
    assigned: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment!r} is not of the form key.path=value")
        nested = _parse(value, f"--set {path}: the value")
        for key in reversed(path.split(".")):
            nested = {key: nested}
        assigned = _merged(assigned, nested)
    given = {key: value for key, value in (flags or {}).items() if value not in (None, {})}
    stated = _merged(assigned, given)
    for key in stated.keys() - Settings.model_fields.keys():
        # As an argument of the constructor it could be one of pydantic-settings' own.
        raise SettingsError(f"settings: {_unknown(key)}")
    from_file = _read(file) if file else {}
    from_environment: dict[str, Any] = {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: Source,
            env_settings: Source,
            dotenv_settings: Source,
            file_secret_settings: Source,
        ) -> tuple[Source, ...]:
            # One source, because pydantic-settings merges mappings of all kinds.
            from_environment.update(env_settings())
            layers = from_file, from_environment, init_settings()
            return (InitSettingsSource(settings_cls, reduce(_layered, layers)),)

    try:
        layered = Layered(**stated)
    except ValidationError as error:
        raise SettingsError(_explain(error, file)) from error
    except UnreadableSource as error:  # a section in the environment that is not JSON
        raise SettingsError(f"settings from the environment: {error}") from error
    except RecursionError as error:
        raise SettingsError("settings: a value is nested too deep to be one") from error
    layers: list[Layer] = [
        (f"file {file}", from_file),
        ("environment", from_environment),
        ("--set", assigned),
        ("flag", given),
    ]
    return Settings.model_construct(layered.model_fields_set, **dict(layered)), layers


def _refuse_unknown_variables() -> None:
    known = {f"BACKSTREAM_{name}".upper() for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in os.environ:
        if name.upper().startswith("BACKSTREAM_") and name.upper().split("__")[0] not in known:
            nearest = difflib.get_close_matches(name.upper(), known, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise SettingsError(f"environment variable {name} is not a setting{hint}")


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"settings file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"settings file {file} is not UTF-8 at byte {error.start:,}") from error

    content = _parse(text, f"settings file {file}") or {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(f"settings file {file} must hold keys and values")
    try:
        return {key: _interpolated(value, file) for key, value in content.items()}
    except RecursionError as error:  # an alias to what it stands in
        raise SettingsError(f"settings file {file} is nested too deep to be settings") from error


def _parse(text: str, what: str) -> Any:
    """The value of a YAML text. Raises SettingsError."""
    if _depth(text) > _DEEPEST:
        raise SettingsError(f"{what} is nested too deep to be settings")
    import yaml  # most commands read none

    try:
        return yaml.safe_load(text)
    # PyYAML lets through what its constructors of dates, numbers and sets raise, of any kind.
    except Exception as error:
        reason = str(error) if isinstance(error, yaml.YAMLError) else repr(error)
        raise SettingsError(f"{what} is not YAML: {reason}") from error


def _depth(text: str) -> int:
    """How deep brackets are nested. Those in strings are counted too."""
    changes = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    return max(accumulate(changes, lambda depth, change: max(0, depth + change)), default=0)


def _interpolated(value: Any, file: Path) -> Any:
    """Replace ``${NAME}`` in the strings of ``value``.

    This follows the parsing, so that a secret is never read as YAML.
    """
    if isinstance(value, dict):
        return {key: _interpolated(inner, file) for key, inner in value.items()}
    if isinstance(value, list):
        return [_interpolated(inner, file) for inner in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise SettingsError(
                f"settings file {file} names ${{{match[1]}}}, which is not in the environment"
            )
        return found

    return re.sub(r"\$\{(\w+)\}", variable, value)


def _layered(
    lower: Mapping[str, Any], upper: Mapping[str, Any], model: type[BaseModel] = Settings
) -> dict[str, Any]:
    """What two sources state together. Sections are merged, and values replaced."""
    both = dict(lower) | dict(upper)
    for key in lower.keys() & upper.keys():
        one, other = lower[key], upper[key]
        section = _section(model, key)
        if section is not None and isinstance(one, dict) and isinstance(other, dict):
            both[key] = _layered(one, other, section)
    return both


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of a section; None where the key is that of a value, or unknown."""
    field = model.model_fields.get(key)
    kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
    return next(
        (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None
    )


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(one[key], other[key])
        for key in one.keys() & other.keys()
        if isinstance(one[key], dict) and isinstance(other[key], dict)
    }
    return {**one, **other, **both}


def _explain(error: ValidationError, file: Path | None) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(_unknown(path))
        else:
            # A whole section may hold a password, and so may the address of a model.
            secret = path.endswith(_SECRET) or isinstance(problem["input"], dict)
            got = "" if secret else f" (got {problem['input']!r})"
            reason = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{path}: {reason}{got}" if path else reason)
    where = f" in {file}" if file else ""
    return f"settings{where}: " + "; ".join(lines)


def _unknown(path: str) -> str:
    nearest = difflib.get_close_matches(path, _known_keys(Settings), 1)
    return f"unknown setting {path!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += _known_keys(kind, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys
