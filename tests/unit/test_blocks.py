"""The blocks of the pages: each is executed or says why not."""

import shlex
from pathlib import Path

import pytest

from documentation.blocks import PAGES, Block, blocks

_NOT_EXECUTED = {
    "README.md": 2,
    "docs/how-to/export.md": 1,
    "docs/how-to/feed.md": 1,
    "docs/how-to/gpu.md": 1,
    "docs/how-to/own-agent.md": 1,
    "docs/how-to/own-kafka.md": 1,
    "docs/how-to/own-model.md": 2,
    "docs/how-to/own-prompts.md": 1,
    "docs/how-to/rate-and-drop.md": 1,
    "docs/how-to/trouble.md": 2,
    "docs/tutorial.md": 4,
}
"""How many blocks of each page are not executed. A new one is a decision, not an oversight."""
_ROOT = Path(__file__).parents[2]
_ALL = [block for page in PAGES for block in blocks(page)]


def test_what_is_not_executed_is_counted() -> None:
    counts: dict[str, int] = {}
    for block in _ALL:
        if block.reason:
            name = block.page.relative_to(_ROOT).as_posix()
            counts[name] = counts.get(name, 0) + 1
    assert counts == _NOT_EXECUTED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_fence_of_a_page_is_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    fences = sum(text.count(f"\n```{name}\n") for name in ("sh", "python"))
    assert len(blocks(page)) == fences
    assert text.count("not executed:") == sum(1 for block in blocks(page) if block.reason)


@pytest.mark.parametrize("block", [b for b in _ALL if b.language == "sh"], ids=str)
def test_commands_can_be_parsed(block: Block) -> None:
    for line in filter(None, block.code.splitlines()):
        assert shlex.split(line, comments=True), line


@pytest.mark.parametrize("block", [b for b in _ALL if b.language == "python"], ids=str)
def test_python_can_be_parsed(block: Block) -> None:
    compile(block.code, str(block), "exec")
