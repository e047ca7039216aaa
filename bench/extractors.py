"""The text that our reader keeps of real pages, beside that of trafilatura and resiliparse.

Run with ``python -m bench.extractors PAGES [--articles DIR]``. PAGES is a directory with the pages
that ``bench/marked_pages.tsv`` names: below it, each page's source (a repository of GitHub, or a
package of Debian) and its path there. Pages that are missing or differ are named and left out. The
table tells the units of text that belong to the page's subject, marked by hand; a unit is the text
between two borders of blocks. ``--show PAGE`` prints the units of a page, to mark it by.

Precision, recall and F1 of a page weigh units by their characters. A unit counts as kept by the
share of its words that are in a run of three words (of the whole unit, where it is shorter) of the
extracted text. Units that are marked as neither (reference lists, bylines) do not count.

``--articles`` is a checkout of scrapinghub/article-extraction-benchmark: 181 articles with texts
that its authors marked. There, F1 is that of the runs of four words.

The peers are in ``bench/peers.txt``. One that cannot be imported is left out. They may be in a
folder of their own: ``pip install --target DIR`` and ``PYTHONPATH=DIR``.
"""

import argparse
import csv
import gzip
import hashlib
import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from agents.passages.html import read_html
from agents.segmenter import Segmenter
from schemas.ids import document_id
from schemas.records import Document

MARKS = Path(__file__).with_name("marked_pages.tsv")
_WORD = re.compile(r"\w+")
_NO_TEXT = frozenset("script style noscript template head iframe svg textarea".split())
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark nobr q s "
    "samp small span strike strong sub sup time tt u var wbr -text".split()
)
"""Elements that do not end a unit; every other one does."""
_RUN = 3
"""Words in a row by which a unit is looked for."""
_ARTICLE_RUN = 4

Extractor = Callable[[str], str]
"""The text that is kept of a page."""


class Page(NamedTuple):
    """A page that was marked by hand."""

    kind: str
    source: str
    path: str
    digest: str
    """First 16 digits of its SHA-256."""
    kept: str
    """Numbers of the units that belong to its subject, such as ``3-7 9``."""
    either: str
    """Numbers of those that do not count."""


@dataclass(frozen=True, slots=True)
class Score:
    """What an extractor kept of a page: shares, 0 to 1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def units(html: str) -> list[str]:
    """The texts between borders of blocks, in order, by a tree that a browser would make."""
    body = LexborHTMLParser(html).body
    found: list[str] = []
    parts: list[str] = []

    def end() -> None:
        text = " ".join("".join(parts).split())
        if _WORD.search(text):
            found.append(text)
        parts.clear()

    def walk(node: LexborNode) -> None:
        for child in node.iter(include_text=True):
            tag = child.tag or ""
            if tag == "-text":
                parts.append(child.text_content or "")
            elif tag in _INLINE:
                walk(child)
            elif tag not in _NO_TEXT:
                end()
                walk(child)
                end()

    if body is not None:
        walk(body)
        end()
    return found


def numbers(spans: str) -> set[int]:
    """The numbers of ``3-7 9``."""
    found: set[int] = set()
    for span in spans.split():
        first, _, last = span.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Every run of so many words; the whole where there are fewer."""
    for start in range(max(1, len(words) - length + 1)):
        yield tuple(words[start : start + length])


def score(page: Page, of_page: Sequence[str], text: str) -> Score:
    """How the text that was kept of a page compares with its marks."""
    found = words(text)
    known = {length: set(runs(found, length)) for length in range(1, _RUN + 1)}
    subject, either = numbers(page.kept), numbers(page.either)
    wanted = kept = right = 0.0
    for number, unit in enumerate(of_page):
        if number in either:
            continue
        of_unit = words(unit)
        share = _share(of_unit, known[min(_RUN, len(of_unit))])
        kept += share * len(unit)
        if number in subject:
            wanted += len(unit)
            right += share * len(unit)
    return Score(right / kept if kept else 0.0, right / wanted if wanted else 0.0)


def words(text: str) -> list[str]:
    """Its words, in small letters."""
    return _WORD.findall(text.casefold())


def _share(of_unit: Sequence[str], known: set[tuple[str, ...]]) -> float:
    """Share of a unit's words that are in a run that is known."""
    length = min(_RUN, len(of_unit))
    covered = [False] * len(of_unit)
    for start, run in enumerate(runs(of_unit, length)):
        if run in known:
            covered[start : start + length] = [True] * length
    return sum(covered) / len(covered)


def article_f1(wanted: str, text: str) -> Score:
    """Precision and recall of the runs of four words, each counted as often as it occurs."""
    gold, found = (Counter(runs(words(one), _ARTICLE_RUN)) for one in (wanted, text))
    right = (gold & found).total()
    return Score(
        right / found.total() if found else 0.0,
        right / gold.total() if gold else 0.0,
    )


def ours(html: str) -> str:
    """The headings and blocks of our reader."""
    texts: list[str] = []
    last: tuple[str, ...] = ()
    for section in read_html(html):
        texts += [one for one in section.headings if one not in last]
        texts += section.blocks
        last = section.headings
    return "\n\n".join(texts)


def passages(html: str) -> str:
    """The passages that our segmenter keeps, with their headings."""
    page = Document(id=document_id("", html), source="", text=html, media_type="text/html")
    kept = [passage for passage in Segmenter().passages(page) if not passage.refusal]
    return "\n\n".join("\n\n".join((*passage.headings, passage.text)) for passage in kept)


def extractors() -> dict[str, Extractor]:
    """Ours, and the peers that are installed, by name."""
    found: dict[str, Extractor] = {
        "all text": lambda html: "\n".join(units(html)),
        "ours": ours,
        "ours, passages": passages,
    }
    if find_spec("trafilatura"):
        extract = import_module("trafilatura").extract
        found["trafilatura"] = lambda html: extract(html, include_comments=False) or ""
        found["trafilatura, recall"] = lambda html: (
            extract(html, include_comments=False, favor_recall=True) or ""
        )
    if find_spec("resiliparse"):
        plain = import_module("resiliparse.extract.html2text").extract_plain_text
        found["resiliparse"] = lambda html: plain(html, main_content=True, alt_texts=False)
    return found


def marked() -> list[Page]:
    """The pages that were marked."""
    with MARKS.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return [Page(*row) for row in rows]


def text_of(path: Path) -> str:
    """A page as text: every marked one is UTF-8."""
    return path.read_bytes().decode("utf-8", "replace")


def digest(path: Path) -> str:
    """First 16 digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _of_marked(
    directory: Path, by_name: Mapping[str, Extractor]
) -> dict[str, dict[str, dict[str, Score]]]:
    """The scores by kind, page and extractor."""
    scores: dict[str, dict[str, dict[str, Score]]] = {}
    for page in marked():
        path = directory / page.source / page.path
        if not path.is_file() or digest(path) != page.digest:
            print(f"left out, {'differs' if path.is_file() else 'missing'}: {path}")
            continue
        html = text_of(path)
        of_page = units(html)
        scores.setdefault(page.kind, {})[f"{page.source}/{page.path}"] = {
            name: score(page, of_page, extract(html)) for name, extract in by_name.items()
        }
    return scores


def _of_articles(directory: Path, by_name: Mapping[str, Extractor]) -> dict[str, dict[str, Score]]:
    gold = json.loads((directory / "ground-truth.json").read_text(encoding="utf-8"))
    scores: dict[str, dict[str, Score]] = {}
    for name, article in gold.items():
        html = gzip.decompress((directory / "html" / f"{name}.html.gz").read_bytes())
        text = html.decode("utf-8", "replace")
        scores[name] = {
            extractor: article_f1(article["articleBody"], extract(text))
            for extractor, extract in by_name.items()
        }
    return scores


def table(kinds: Mapping[str, Mapping[str, Mapping[str, Score]]]) -> Iterator[str]:
    """A row for each extractor: the mean F1 of each kind, with precision and recall."""
    names = next(iter(next(iter(kinds.values())).values()))
    yield f"| F1 (precision, recall) | {' | '.join(f'{k} ({len(p)})' for k, p in kinds.items())} |"
    yield "|---|" + "---|" * len(kinds)
    for name in names:
        cells = []
        for pages in kinds.values():
            of_kind = [scores[name] for scores in pages.values()]
            f1, precision, recall = (
                statistics.fmean(getattr(one, field) for one in of_kind)
                for field in ("f1", "precision", "recall")
            )
            cells.append(f"{f1:.3f} ({precision:.2f}, {recall:.2f})")
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("pages", nargs="?", type=Path)
    parser.add_argument("--articles", type=Path)
    parser.add_argument("--show", type=Path, help="print the units of this page")
    parser.add_argument("--each", action="store_true", help="print the F1 of each page as well")
    options = parser.parse_args()
    if options.show:
        print(digest(options.show))
        for number, unit in enumerate(units(text_of(options.show))):
            print(f"{number} [{len(unit)}] {unit[:80]}")
        return
    by_name = extractors()
    kinds: dict[str, dict[str, dict[str, Score]]] = {}
    if options.pages:
        kinds |= _of_marked(options.pages, by_name)
    if options.articles:
        kinds["articles"] = _of_articles(options.articles, by_name)
    print("\n".join(table(kinds)))
    if options.each:
        for kind, pages in kinds.items():
            for page, scores in pages.items():
                f1 = ", ".join(f"{name} {one.f1:.2f}" for name, one in scores.items())
                print(f"{kind} {page}: {f1}")


if __name__ == "__main__":
    main()
