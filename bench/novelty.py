"""How long a query of the novelty index takes, by the number of kept instructions.

Run with ``python -m bench.novelty dolly.jsonl``: human pairs in any format that ``seed`` reads.
Instructions are kept in the order of the file where nothing near is kept already, as the curator
does. At each size, the same queries are put to the index and to a linear scan with the same
comparison, one after the other, and both answers are compared.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from agents.curation.novelty import Near, NoveltyIndex
from bench.report import describe_machine, machine
from models.evaluation.rouge import rouge_l
from models.evaluation.words import words
from models.seeds import read_seeds

_SIZES = (500, 1000, 2000, 4000, 8000)
_QUERIES = 300
_SCANNED = 60
"""Queries that are also put to the scan."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.novelty", description=__doc__)
    parser.add_argument("pairs", type=Path, help="a file of human pairs")
    options = parser.parse_args()
    print(describe_machine(machine()))
    texts = [one.instruction for one in read_seeds(options.pairs)]
    random.Random(0).shuffle(texts)
    queries, texts = texts[:_QUERIES], texts[_QUERIES:]
    index = NoveltyIndex()
    kept: list[tuple[str, Sequence[str]]] = []
    waiting = iter(enumerate(texts))
    print("| kept instructions | index, ms a query | scan, ms a query | texts compared a query |")
    print("|---|---|---|---|")
    for size in _SIZES:
        for number, text in waiting:
            if index.nearest(text) is None:
                index.add(f"{number:06}", text)
                kept.append((f"{number:06}", words(text)))
            if len(kept) == size:
                break
        if len(kept) < size:
            break
        indexed = _milliseconds(index.nearest, queries)
        scanned = _milliseconds(lambda text: _scan(kept, text), queries[:_SCANNED])
        assert all(index.nearest(text) == _scan(kept, text) for text in queries[:_SCANNED])
        compared = sum(len(list(index._candidates(words(text)))) for text in queries)
        print(f"| {size:,} | {indexed:.3f} | {scanned:.1f} | {compared / len(queries):.1f} |")


def _scan(kept: Sequence[tuple[str, Sequence[str]]], text: str) -> Near | None:
    query = words(text)
    near = (Near(id, rouge_l(query, other)) for id, other in kept)
    best = min(near, key=lambda one: (-one.rouge_l, one.id), default=None)
    return best if best and best.rouge_l >= 0.7 else None


def _milliseconds(search: Callable[[str], Near | None], queries: Sequence[str]) -> float:
    """The mean of a query, in the median of three passes."""
    passes = []
    for _ in range(3):
        started = time.perf_counter()
        for text in queries:
            search(text)
        passes.append(1000 * (time.perf_counter() - started) / len(queries))
    return median(passes)


if __name__ == "__main__":
    main()
