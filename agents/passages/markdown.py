"""Reader for Markdown: markdown-it-py finds the headings, and the source text is kept.

Headings are ATX and setext headings outside of code blocks and quotations.
"""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from agents.passages.plaintext import read_plain_text
from agents.passages.sections import Continued, Section, Trail

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_MOST_LINES = 100_000
"""A longer text is read as plain text: the parser takes up to 60 microseconds a line."""
_SHORT_LINES = 10_000
_SHORT = 12
"""So is a text of over ``_SHORT_LINES`` lines with less than ``_SHORT`` characters on average: it
would take as long as a text of many times its size.
"""
_LONGEST_HEADING = 1000
"""Characters of a heading's source that are read."""


def block_parser() -> MarkdownIt:
    """A parser of block structure only: inline text is not parsed, so it cannot be slow."""
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def read_markdown(text: str, parser: MarkdownIt, title: str | None = None) -> Iterator[Section]:
    """The sections of a Markdown text, in order.

    Blocks of raw HTML are left out. A fenced block is never divided.
    """
    text = _FRONT_MATTER.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Lines as the parser counts them: str.splitlines would also split at form feeds, for example.
    lines = text.split("\n")
    if len(lines) > min(_MOST_LINES, max(_SHORT_LINES, len(text) // _SHORT)):
        yield from read_plain_text(text, title)
        return
    trail = Trail(title)
    blocks: list[str] = []
    tokens = parser.parse(text)
    for index, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open":
            if blocks:
                yield Section(trail.headings, blocks)
                blocks = []
            trail.enter(int(token.tag[1:]), _plain(tokens[index + 1].content))
        elif token.type not in ("html_block", "hr"):
            block = "\n".join(lines[token.map[0] : token.map[1]]).strip("\n").rstrip()
            if block:
                code = token.type in ("fence", "code_block")
                blocks.append(Continued(block) if code and blocks else block)
    if blocks:
        yield Section(trail.headings, blocks)


def _plain(heading: str) -> str:
    """A heading without its links, emphasis and code marks."""
    text = _LINK.sub(r"\1", heading[:_LONGEST_HEADING])
    return " ".join(text.replace("`", "").replace("*", "").split())
