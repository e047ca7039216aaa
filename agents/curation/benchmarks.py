"""Contamination: text of a benchmark in an example.

A text of a benchmark and a text of an example that have 13 words in a row in common count as the
same, as in GPT-3 (arXiv 2005.14165, appendix C). A shorter text of a benchmark counts where it is
the whole instruction.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.refusal import Refusal
from models.evaluation.words import words

RUN = 13
"""Words in a row that count as contamination."""

Hashes = NDArray[np.uint64]


class Benchmark:
    """The texts of one benchmark, as hashes: 8 bytes for each run of 13 words."""

    def __init__(self, name: str, texts: Iterable[str]) -> None:
        self.name = name
        self._short: set[str] = set()
        runs = []
        for text in texts:
            found = words(text)
            if len(found) >= RUN:
                runs.append(_runs(found))
            elif found:
                self._short.add(" ".join(found))
        self._runs: Hashes = np.unique(np.concatenate(runs)) if runs else np.zeros(0, np.uint64)

    def __len__(self) -> int:
        """Number of different runs and of texts that are shorter than one."""
        return len(self._runs) + len(self._short)

    def has_instruction(self, found: Sequence[str]) -> bool:
        """Whether a text of the benchmark with fewer than 13 words is exactly these words."""
        return len(found) < RUN and " ".join(found) in self._short

    def first_run(self, runs: Hashes) -> int | None:
        """Position of the first of these runs that is the benchmark's; None where none is."""
        if not len(self._runs) or not len(runs):
            return None
        at = np.minimum(np.searchsorted(self._runs, runs), len(self._runs) - 1)
        [hits] = np.nonzero(self._runs[at] == runs)
        return int(hits[0]) if len(hits) else None


def contaminations(
    benchmarks: Sequence[Benchmark], instruction: str, *others: str | None
) -> Iterator[Refusal]:
    """The benchmarks that have text in common with an example."""
    if not benchmarks:
        return
    found = [words(text) for text in (instruction, *others) if text]
    runs = [_runs(one) for one in found]
    for benchmark in benchmarks:
        if benchmark.has_instruction(found[0]):
            yield Refusal("benchmark", f"the instruction is in {benchmark.name}")
        for one, hashes in zip(found, runs, strict=True):
            first = benchmark.first_run(hashes)
            if first is not None:
                shared = " ".join(one[first : first + RUN])
                yield Refusal("benchmark", f"{shared!r} is in {benchmark.name}")


def _runs(found: Sequence[str]) -> Hashes:
    """A hash of each run of 13 words. They are comparable within a process only."""
    hashes = np.array([hash(word) for word in found], dtype=np.int64).view(np.uint64)
    count = max(0, len(hashes) - RUN + 1)
    runs = np.zeros(count, dtype=np.uint64)
    for position in range(RUN):
        runs = (runs ^ hashes[position : position + count]) * np.uint64(0x9E3779B97F4A7C15)
        runs ^= runs >> np.uint64(29)
    return runs
