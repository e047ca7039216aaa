"""The blocks of code in a page, and the reason of each that is not executed by the tests.

A comment on the line before a block says why it is not: ``<!-- not executed: REASON -->``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[1]
PAGES = (
    _ROOT / "README.md",
    _ROOT / "docs" / "tutorial.md",
    *sorted((_ROOT / "docs" / "how-to").glob("*.md")),
)
"""The pages whose commands and Python are executed."""
_BLOCK = re.compile(
    r"^(?:<!-- not executed: (?P<reason>.+?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_EXECUTABLE = ("sh", "bash", "console", "python", "py", "pycon")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    """Line of the fence in the page, from 1."""
    language: str
    code: str
    reason: str | None
    """Why it is not executed; None where it is."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(_ROOT).as_posix()}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of commands and of Python in a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["code"],
            found["reason"],
        )
        for found in _BLOCK.finditer(text)
        if found["language"] in _EXECUTABLE
    ]
