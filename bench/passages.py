"""What becomes of the text of documents, how fast they are cut, and in how much memory.

Run with ``python -m bench.passages PATH... [--megabytes N] [--format FORMAT] [--exclude GLOB]``.
Each PATH, a file or a directory, is a row: characters that are kept, and that are refused by each
reason, as shares of the characters of all its passages. With ``--megabytes`` the documents of all
paths are cut again and again until that much was read, and the resident memory is shown on the way.
Hostile pages follow: the time for a page of each kind, beside that for a quarter of it.

Times are CPU seconds, so that a busy machine does not count.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from agents.segmenter import Segmenter
from schemas.errors import SourceError
from schemas.ids import document_id
from schemas.records import Document
from schemas.text import PassedOver
from streams.data.sources import Choice, discover, read
from streams.data.sources.discovery import Stdin

_KEPT = "kept"
_MARKS = 5
"""Times at which the memory is shown."""


@dataclass
class Cut:
    """What became of some documents."""

    documents: int = 0
    source: int = 0
    """Characters of the documents."""
    seconds: float = 0.0
    """CPU time of the segmenter."""
    passages: Counter[str] = field(default_factory=Counter)
    """Number of passages: kept, or by reason."""
    characters: Counter[str] = field(default_factory=Counter)
    """Their characters."""

    def add(self, segmenter: Segmenter, document: Document) -> None:
        """Cut a document."""
        started = time.process_time()
        passages = segmenter.passages(document)
        self.seconds += time.process_time() - started
        self.documents += 1
        self.source += len(document.text)
        for passage in passages:
            outcome = passage.refusal.reason if passage.refusal else _KEPT
            self.passages[outcome] += 1
            self.characters[outcome] += len(passage.text)

    @property
    def rate(self) -> float:
        """Megabytes of source text a CPU second."""
        return self.source / 1e6 / self.seconds if self.seconds else 0.0


def documents(paths: Sequence[str], choice: Choice, format: str | None) -> Iterator[Document]:
    """The documents of the paths; what cannot be read is left out."""
    for found in discover(paths, choice):
        if isinstance(found, Stdin | PassedOver | SourceError):
            continue
        yield from (one for one in read(found, format=format) if isinstance(one, Document))


HOSTILE: Mapping[str, Callable[[int], str]] = {
    "nested `<div>`": lambda n: "<div>" * n + "x",
    "nested lists": lambda n: "<ul><li>" * n + "x",
    "nested tables": lambda n: "<table><tr><td>" * n + "x" + "</table>" * n,
    "nested menus": lambda n: "<div class=nav>" * n + "x" + "</div>" * n,
    "nested forms": lambda n: "<form>" * n + "x" + "</form>" * n,
    "unclosed `<font>`": lambda n: "".join(f"<font color={i}>" for i in range(n)) + "x",
    "unclosed `<a href>`": lambda n: "<a href=x>" * n + "x",
    "unclosed `<li>`, `<td>`, `<p>`": lambda n: "<li><td><p>x" * n,
    "unclosed `<script>`": lambda n: "<script>x" * n,
    "unclosed comments": lambda n: "<!-- " * n,
    "nested terms": lambda n: "<dl><dt>a<dd>" * n + "x",
    "nested `<main>` and `<article>`": lambda n: "<main><article>x" * n,
    "nested hidden elements": lambda n: "<p hidden>" * n + "x",
    "headings": lambda n: "<h1>A b</h1><p>A short text is below it." * n,
    "nested headings": lambda n: "<h1><h2><h3>x" * n,
    "end tags": lambda n: "</div></table></ul></b>" * n + "x",
    "rows": lambda n: f"<table>{'<tr><td>a<td>b' * n}",
    "character references": lambda n: "<p>" + "&#65;&amp;&" * n,
    "overlapping tags": lambda n: "<b><div></b>" * n,
    "an attribute of 100 bytes for each": lambda n: f"<p class='{'word ' * 20 * n}'>x",
    "attributes": lambda n: f"<p {'a=b ' * 10 * n}>x",
    "quotes": lambda n: '<a ">"' * n,
    "short lines": lambda n: f"<p>{'a<br>' * n}",
    "one line without an end": lambda n: f"<p>{'word ' * 10 * n}",
    "one word": lambda n: f"<p>{'word' * 10 * n}",
    "short sentences": lambda n: f"<p>{'A b. ' * n}",
}
"""Pages of a size that grows with a number."""


def _passages_table(rows: Mapping[str, Cut]) -> Iterator[str]:
    reasons = sorted({reason for cut in rows.values() for reason in cut.passages} - {_KEPT})
    yield f"| documents | MB | MB/s | passages kept | {_KEPT} | {' | '.join(reasons)} |"
    yield "|---|" + "---|" * (len(reasons) + 4)
    for name, cut in rows.items():
        total = cut.characters.total() or 1
        shares = [f"{cut.characters[outcome] / total:.1%}" for outcome in (_KEPT, *reasons)]
        yield (
            f"| {name} ({cut.documents:,}) | {cut.source / 1e6:.1f} | {cut.rate:.1f} "
            f"| {cut.passages[_KEPT]:,} | {' | '.join(shares)} |"
        )


def _memory(paths: Sequence[str], choice: Choice, format: str | None, megabytes: float) -> None:
    segmenter, cut, process = Segmenter(), Cut(), psutil.Process()
    step = megabytes * 1e6 / _MARKS
    marks: list[str] = []
    while cut.source < megabytes * 1e6:
        before = cut.source
        for document in documents(paths, choice, format):
            cut.add(segmenter, document)
            if cut.source >= step * (len(marks) + 1):
                marks.append(f"{process.memory_info().rss / 1e6:.0f}")
                if len(marks) == _MARKS:
                    break
        if cut.source == before:
            return
    print(
        f"\nResident memory after each {step / 1e6:,.0f} MB: {', '.join(marks)} MB; "
        f"{cut.rate:.1f} MB/s."
    )


def _hostile(size: int) -> Iterator[str]:
    yield f"| hostile page | MB | s | times that of a quarter ({size // 4:,} of each) |"
    yield "|---|---|---|---|"
    segmenter = Segmenter()
    for name, make in HOSTILE.items():
        seconds = []
        for count in (size // 4, size):
            text = make(count)
            page = Document(
                id=document_id(name, text), source=name, text=text, media_type="text/html"
            )
            cut = Cut()
            cut.add(segmenter, page)
            seconds.append(cut.seconds)
        ratio = seconds[1] / max(seconds[0], 1e-3)
        yield f"| {name} | {len(text) / 1e6:.1f} | {seconds[1]:.2f} | {ratio:.1f} |"


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--megabytes", type=float, default=0.0)
    parser.add_argument("--format")
    parser.add_argument("--exclude", action="append", default=[])
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--hostile", type=int, default=100_000, help="size; 0 for none")
    options = parser.parse_args()
    choice = Choice(options.include, options.exclude)
    segmenter = Segmenter()
    rows: dict[str, Cut] = {}
    for path in options.paths:
        cut = rows[path.rstrip("/").rsplit("/", 1)[-1]] = Cut()
        for document in documents([path], choice, options.format):
            cut.add(segmenter, document)
    if rows:
        print("\n".join(_passages_table(rows)))
    if options.paths and options.megabytes:
        _memory(options.paths, choice, options.format, options.megabytes)
    if options.hostile:
        print()
        for line in _hostile(options.hostile):
            print(line, flush=True)


if __name__ == "__main__":
    main()
