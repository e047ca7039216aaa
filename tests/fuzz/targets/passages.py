"""The segmenter on documents of each media type."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import ClassVar

from agents.segmenter import Segmenter
from schemas.ids import segment_id
from schemas.records import Document, Rejection, Segment
from tests.fuzz.mutation import damaged, text_of
from tests.fuzz.target import Parts
from tests.fuzz.targets.wire import check_encodes_again

_PROSE = (
    "Water boils at 100 degrees Celsius at sea level. On a mountain the air is thinner, so it "
    "boils at less. "
)
_COMMON = (
    "a",
    "word ",
    " ",
    "\n",
    "\n\n",
    _PROSE,
    _PROSE + "\n\n",
    "é",
    "\r",
    "\t",
    "\x0b",
    "\u2028",
)


class _Passages:
    share = 7
    media_type: ClassVar[str]
    tokens: ClassVar[Sequence[str]]

    def __init__(self, directory: Path) -> None:
        self._segmenter = Segmenter()

    def make(self, random: Random) -> Parts:
        data = text_of(random, (*_COMMON, *self.tokens)).encode()
        if random.random() < 0.4:
            data = damaged(random, data, [_PROSE.encode()])
        title = random.choice((None, None, b"a", "Wörter".encode()))
        return (data, title, random.choice((None, b"context")))

    def check(self, parts: Parts) -> None:
        text, title, context = ((part or b"").decode("utf-8", "replace") for part in parts)
        if not text:
            return
        document = Document(
            id="d",
            source="s",
            text=text,
            media_type=self.media_type,
            title=title or None,
            context=context or None,
        )
        found = asyncio.run(self._segmenter.handle(document))
        assert found, "neither a passage nor a rejection"
        assert len({each.id for each in found}) == len(found), "an id comes twice"
        for each in found:
            assert isinstance(each, Segment | Rejection)
            if isinstance(each, Segment):
                assert each.id == segment_id(each.text, document.context)
                assert 600 <= len(each.text) <= 3000
        check_encodes_again(found[-1])
        if len(text) < 2000:
            assert asyncio.run(self._segmenter.handle(document)) == found, "not the same twice"


class HtmlPages(_Passages):
    """HTML."""

    media_type = "text/html"
    tokens = (
        *("<", ">", "<a", "<!--", "-->", "<p>", "</p>", "<pre>", "</pre>", "<div", "<div>", "<h1>"),
        *(
            "</h1>",
            "<h2>",
            "<script",
            "<script>",
            "</script>",
            "<nav>",
            "</nav>",
            "<form>",
            "</form>",
        ),
        *("<header>", "<td>", "<br>", "&", "&amp;", "&#", "&#x1F600;", "&#55296;", '"', "'", "="),
        *("<li>", "- ", "<title>", "<!", "</", '<a b="', "<a b='", "<article>", "</article>", "<?"),
        *("<textarea>", "<svg>", "<aside>", "<![CDATA[", "--", "!>", "/", "&#9999999999;"),
    )


class MarkdownTexts(_Passages):
    """Markdown."""

    share = 4
    media_type = "text/markdown"
    tokens = (
        *("> ", "- ", "* ", "+ ", "1. ", "1) ", "    ", "```", "~~~", "```\n", "[a]: b\n", "[a]:"),
        *("[", "](", "<div>\n", "<!--", "<?", "<![CDATA[", "|", "|-|\n", "a|b\n-|-\n", "---\n"),
        *(
            "===\n",
            "#",
            "# a\n",
            "\n# Heading\n\n",
            "\\",
            "`",
            "&",
            "*",
            "_",
            "(",
            '"',
            "'",
            "> a\n",
        ),
        *("- a\n", "  - a\n", "![", "---\na: b\n---\n", "[a]: <b> '"),
    )


class PlainTexts(_Passages):
    """Plain text."""

    media_type = "text/plain"
    tokens = (
        *("=", "===\n", "a\n===\n", "a\n---\n", "***\n", "-", "~~~\n", "^^^\n", '"""\n', " \n"),
        *("===\na\n===\n", "=== ", "Heading\n=======\n\n", "a. ", ". ", "!? "),
    )
