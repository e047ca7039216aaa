"""Measures the int8 graph of a release beside its fp32 graph, on human pairs, in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.engine.precision import Precision
from models.export.likelihood import GraphScorer
from models.export.progress import Report
from models.export.seed_pairs import PAIRS, judging_pairs, rating_prompt
from models.prompts.layout import Prompter

_GREEDY_TOKENS = 24
_BATCH = 8
"""Pairs that are decoded side by side, and between two looks at the verdict."""


@dataclass(frozen=True, slots=True)
class PairScores:
    """What one graph computes for one pair."""

    nats: float
    """Negative log-likelihood of the true instruction, given the response."""
    rating: float
    """Expected rating, 1 to 5."""
    tokens: list[int]
    """The most probable token in each place of fp32's greedy answer to the backward prompt."""


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """One pair in both precisions."""

    target_tokens: int
    """Of the true instruction."""
    fp32: PairScores
    int8: PairScores

    @property
    def changed_tokens(self) -> float:
        """Share of fp32's greedy tokens that int8 does not choose in their place."""
        both = zip(self.fp32.tokens, self.int8.tokens, strict=True)
        return sum(one != other for one, other in both) / len(self.fp32.tokens)


@dataclass(frozen=True, slots=True)
class _PairPrompts:
    """One pair as token ids."""

    backward: list[int]
    target: list[int]
    """The true instruction, which the backward prompt asks for."""
    rating: list[int]


class Fp32Reference:
    """A release's fp32 graph on the pairs; each pair is computed once for all int8 graphs."""

    def __init__(
        self, release: Path, prompter: Prompter, pairs: int = PAIRS, threads: int | None = None
    ) -> None:
        """``pairs`` is the most pairs to compare on.

        Raises ModelError where the graph cannot be opened.
        """
        self._release = release
        self._threads = threads
        self._digit_ids = prompter.digit_ids
        self._scorer = GraphScorer(release, Precision.FP32, threads, slots=_BATCH)
        room = self._scorer.context_window - _GREEDY_TOKENS
        self._pairs = [
            _PairPrompts(
                prompter.backward(pair.response, pair.context),
                prompter.target(pair.instruction),
                rating_prompt(prompter, pair),
            )
            for pair in judging_pairs(prompter, room, pairs)
        ]
        self._scores: list[PairScores] = []

    def __len__(self) -> int:
        """How many pairs there are to compare on."""
        return len(self._pairs)

    def compared(self, report: Report) -> Iterator[list[ComparedPair]]:
        """All pairs beside the int8 graph that lies in the release now, a batch at a time.

        ``report`` gets a line for each pair and graph. Raises ModelError where that graph cannot be
        opened, EngineError where one fails.
        """
        int8 = GraphScorer(self._release, Precision.INT8, self._threads, slots=_BATCH)
        for start in range(0, len(self._pairs), _BATCH):
            batch = self._pairs[start : start + _BATCH]
            if start == len(self._scores):
                greedy = self._scorer.greedy([pair.backward for pair in batch], _GREEDY_TOKENS)
                for slot, pair in enumerate(batch):
                    self._scores.append(self._score(self._scorer, slot, pair, greedy[slot]))
                    report(
                        f"comparing int8 with fp32: fp32, pair {len(self._scores)} of {len(self)}"
                    )
            reference = self._scores[start : start + _BATCH]
            compared = []
            for slot, (pair, fp32) in enumerate(zip(batch, reference, strict=True)):
                tokens = int8.most_probable(pair.backward, fp32.tokens, slot)
                scores = self._score(int8, slot, pair, tokens)
                compared.append(ComparedPair(len(pair.target), fp32, scores))
                report(f"comparing int8 with fp32: int8, pair {start + slot + 1} of {len(self)}")
            yield compared

    def _score(
        self, scorer: GraphScorer, slot: int, pair: _PairPrompts, tokens: list[int]
    ) -> PairScores:
        return PairScores(
            nats=float(scorer.nats(pair.backward, [pair.target], slot)[0]),
            rating=scorer.rating(pair.rating, self._digit_ids),
            tokens=tokens,
        )
