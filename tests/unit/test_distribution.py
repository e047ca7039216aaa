"""What is installed beside us: import names stay ours, and no file names a place on the network."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from setuptools import find_namespace_packages

_ROOT = Path(__file__).parents[2]
_OURS = ("schemas", "models", "agents", "streams", "infra")


@pytest.mark.parametrize("name", _OURS)
def test_no_dependency_ships_a_module_of_our_name(name: str) -> None:
    assert set(packages_distributions().get(name, ())) <= {"backstream"}


@pytest.mark.parametrize("name", _OURS)
def test_our_names_are_ours_where_they_are_imported_from(name: str) -> None:
    assert name not in sys.stdlib_module_names
    assert (_ROOT / name).is_dir()


@pytest.mark.parametrize("folder", ["models/house/checkpoint", "models/writer/adapter"])
def test_bundled_models_are_whole_in_a_wheel(folder: str) -> None:
    tool = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    packages = find_namespace_packages(
        _ROOT, include=tool["setuptools"]["packages"]["find"]["include"]
    )
    assert folder.replace("/", ".") in packages
    patterns = tool["setuptools"]["package-data"]["*"]
    for file in (_ROOT / folder).iterdir():
        assert any(file.match(pattern) for pattern in patterns), file.name


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_no_address_is_in_the_files_that_pin(file: str) -> None:
    text = (_ROOT / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert "find-links" not in text


def test_everything_locked_has_one_version() -> None:
    lines = (_ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [
        line.split(";")[0].strip()
        for line in lines
        if line.strip() and not line.lstrip().startswith("#")
    ]
    assert pins
    assert all(pin.count("==") == 1 and " @ " not in pin for pin in pins)
