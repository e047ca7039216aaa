"""What users build on.

The version, the command, the modules that are run, the names that are exported.
"""

import importlib
import re
import tomllib
from importlib.util import find_spec
from inspect import ismodule
from pathlib import Path
from typing import Any

import pytest

import models.engine
import streams.data.dataset

_ROOT = Path(__file__).parents[2]
_PROJECT: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def test_the_version_is_the_newest_release_of_the_changelog() -> None:
    changelog = (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]( - \d{4}-\d\d-\d\d)?$", changelog, re.MULTILINE)
    assert len(headings) == len(re.findall(r"^## ", changelog, re.MULTILINE))
    releases = [version for version, date in headings if date]
    assert [version for version, date in headings if not date] in ([], ["Unreleased"])
    assert headings[-len(releases) :] == [(v, d) for v, d in headings if d], "newest first"
    assert releases[0] == _PROJECT["version"]


def test_the_command_is_there() -> None:
    assert _PROJECT["scripts"] == {"backstream": "streams.cli:main"}
    module, _, name = _PROJECT["scripts"]["backstream"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize(
    "module",
    [
        "streams",
        "models.export",
        "models.training",
        "models.house.train",
        "schemas.generate",
        "streams.stages.metrics",
        "bench.engine",
        "bench.loop",
        "bench.stream",
        "tests.advisories",
        "tests.fixtures.records.generate",
        "tests.fuzz",
    ],
)
def test_a_module_that_is_run_by_its_name_is_there(module: str) -> None:
    found = find_spec(module)
    assert found is not None
    package = found.submodule_search_locations
    file = Path(package[0]) / "__main__.py" if package else Path(str(found.origin))
    text = file.read_text(encoding="utf-8")
    assert file.name == "__main__.py" or 'if __name__ == "__main__":' in text


def test_the_curated_set_is_read_by_these_names() -> None:
    module = streams.data.dataset
    assert set(module.__all__) == {
        "Change",
        "changes",
        "connect",
        "follow",
        "iterable_dataset",
        "newest",
        "partitions",
        "snapshot",
    }
    assert all(getattr(module, name).__module__.startswith("streams.") for name in module.__all__)


def test_the_engine_exports_all_that_its_package_imports_and_nothing_else() -> None:
    public = {
        name
        for name, value in vars(models.engine).items()
        if not name.startswith("_") and not ismodule(value)
    }
    assert public == set(models.engine.__all__)
    assert {"Engine", "Sampling", "Generation"} <= public
