"""Every reason that an agent gives is explained in words, and documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from agents.curation.settings import CurationRules
from agents.reasons import REASONS, in_words

_ROOT = Path(__file__).parents[3]
_CODE = re.compile(r"[a-z]+(_[a-z]+)*")
_POSITIONS = {"Refusal": 0, "refuse": 1, "_reject_whole": 1}
"""Which argument of these is the reason."""


def test_every_reason_in_the_code_is_explained() -> None:
    found = {reason: file for file, reason in _reasons()} | dict.fromkeys(
        CurationRules.model_fields, "the rules of curation"
    )
    assert {"leans", "too_short", "prompt_too_long", "no_other_sample"} <= found.keys()
    assert {one: found[one] for one in found.keys() - REASONS.keys()} == {}


def test_every_explained_reason_is_documented() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in (_ROOT / "docs").glob("*.md"))
    assert [one for one in REASONS if f"`{one}`" not in pages] == []


def test_an_explanation_is_one_line_of_sentences() -> None:
    for sentence in REASONS.values():
        assert re.fullmatch(r"[A-Z][^\n]+\.", sentence)
    assert in_words("no_passage", "rewriter") != in_words("no_passage", "segmenter")
    assert in_words("of_another_package") == ""


def _reasons() -> Iterator[tuple[str, str]]:
    """The file and the code of each reason that is written where something is refused."""
    files = [*(_ROOT / "agents").rglob("*.py"), *(_ROOT / "streams" / "stages").rglob("*.py")]
    trees = {str(file.relative_to(_ROOT)): ast.parse(file.read_text("utf-8")) for file in files}
    constants = {
        target.id: node.value.value
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for file, tree in trees.items():
        for node in ast.walk(tree):
            for expression in _given(node):
                if isinstance(expression, ast.Name):
                    code = constants.get(expression.id)
                else:
                    code = expression.value if isinstance(expression, ast.Constant) else None
                if isinstance(code, str) and _CODE.fullmatch(code):
                    yield file, code


def _given(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in the places of a reason."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        at = _POSITIONS.get(name or "")
        if at is not None and len(node.args) > at:
            yield node.args[at]
        yield from (one.value for one in node.keywords if one.arg in ("reason", "failure"))
    elif isinstance(node, ast.FunctionDef) and node.name == "_refusal":
        returned = (one.value for one in ast.walk(node) if isinstance(one, ast.Return))
        yield from (one.elts[0] for one in returned if isinstance(one, ast.Tuple))
