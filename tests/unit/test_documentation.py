"""The documents name only what exists: files, folders, links, classes and methods."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = sorted(
    [*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md"), *(_ROOT / "infra").glob("*.md")]
)
_CURRENT = [
    file for file in _DOCUMENTS if file.name != "CHANGELOG.md" and not file.name[0].isdigit()
]
"""Without documents that describe the past: the change log and the dated decisions."""
_PACKAGES = ("schemas", "models", "agents", "streams")


def _name(file: Path) -> str:
    return file.relative_to(_ROOT).as_posix()


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if heading:
            assert heading in set(_anchors(file)), target


@pytest.mark.parametrize("document", _CURRENT, ids=_name)
def test_paths_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    folders = "|".join((*_PACKAGES, "bench", "docs", "infra", "tests"))
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        assert (_ROOT / path).exists(), path


@pytest.mark.parametrize("document", _CURRENT, ids=_name)
def test_imports_work(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for module, names in re.findall(
        r"^from ((?:schemas|models|agents|streams)\S*) import (.+)$", text, re.M
    ):
        imported = importlib.import_module(module)
        for name in names.split(","):
            assert hasattr(imported, name.strip()), f"{module}.{name.strip()}"


def test_the_map_has_every_folder_and_file() -> None:
    text = (_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    [tree] = re.findall(r"^```\n(schemas/.+?)^```", text, re.MULTILINE | re.DOTALL)
    named = set(_tree_paths(tree))
    missing = [path for path in named if not (_ROOT / path).exists()]
    assert not missing
    folders = {
        _name(file.parent) + "/"
        for package in _PACKAGES
        for file in (_ROOT / package).rglob("*.py")
    }
    described = {
        "agents/answers/",
        "agents/curation/",
        "agents/inventing/",
        "agents/passages/",
        "agents/tasks/",
        "streams/cli/commands/",
    }
    assert folders - named == described, "those stand in the line of another file or folder"


def test_classes_and_methods_of_the_architecture_exist() -> None:
    text = (_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    code = "\n".join(
        file.read_text(encoding="utf-8")
        for package in _PACKAGES
        for file in (_ROOT / package).rglob("*.py")
    )
    for name, method in re.findall(r"`([A-Z]\w*[a-z]\w*)(?:\.(\w+))?`", text):
        assert f"class {name}" in code, name
        assert not method or f"def {method}(" in code, f"{name}.{method}"


def _anchors(file: Path) -> Iterator[str]:
    """Yield the anchors that GitHub makes of the headings."""
    for heading in re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _tree_paths(tree: str) -> Iterator[str]:
    """Yield the paths of a tree that is indented by two spaces a level."""
    parents: list[str] = []
    for line in tree.splitlines():
        if line.strip():
            level = (len(line) - len(line.lstrip())) // 2
            parents = [*parents[:level], line.split()[0]]
            yield "".join(parents)
