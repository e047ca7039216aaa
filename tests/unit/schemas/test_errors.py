"""The exception tree: the packages raise only errors of it, and it is documented."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from schemas import errors
from schemas.errors import BackstreamError, ModelError, PromptTooLong

_ROOT = Path(errors.__file__).parent.parent
_FILES = sorted(
    file
    for package in ("schemas", "models", "agents", "streams")
    for file in (_ROOT / package).rglob("*.py")
)
_CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
_TOO_WIDE = {
    "Exception",
    "BaseException",
    "RuntimeError",
    "OSError",
    "KeyError",
    "TypeError",
    "NotImplementedError",
}


@pytest.mark.parametrize("name", _CLASSES)
def test_every_error_is_of_the_tree(name: str) -> None:
    assert issubclass(_CLASSES[name], BackstreamError)
    assert _CLASSES[name].__doc__
    assert name in (errors.__doc__ or ""), "the drawing of the tree shows it"


def test_the_drawing_shows_no_other() -> None:
    drawn = re.findall(r"(?:─ |^    )([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(_CLASSES)


def test_a_prompt_too_long_is_a_model_error() -> None:
    assert issubclass(PromptTooLong, ModelError)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_ROOT)))
def test_errors_are_raised_from_the_tree_and_declared_in_it(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            call = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            assert not (isinstance(call, ast.Name) and call.id in _TOO_WIDE), (
                f"line {node.lineno} raises {ast.unparse(node.exc)}"
            )
        if isinstance(node, ast.ClassDef) and file.name != "errors.py":
            bases = {ast.unparse(base) for base in node.bases}
            assert not bases & (_TOO_WIDE | _CLASSES.keys()), (
                f"line {node.lineno}: {node.name} belongs into schemas/errors.py"
            )
