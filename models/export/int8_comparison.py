"""Measures the int8 graph of a release beside its fp32 graph, on human pairs, in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.export.likelihood import GraphScorer
from models.export.seed_pairs import PAIRS, comparison_pairs, rating_prompt
from models.precision import Precision
from models.progress import Report
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


class Int8Comparison:
    """A release's int8 graph beside its fp32 graph."""

    def __init__(
        self, release: Path, prompter: Prompter, pairs: int = PAIRS, threads: int | None = None
    ) -> None:
        """``pairs`` is the most pairs to compare on.

        Raises ModelError where a graph cannot be opened.
        """
        self._digit_ids = prompter.digit_ids
        self._fp32, self._int8 = (
            GraphScorer(release, precision, threads, slots=_BATCH)
            for precision in (Precision.FP32, Precision.INT8)
        )
        room = self._fp32.context_window - _GREEDY_TOKENS
        self._pairs = [
            _PairPrompts(
                prompter.backward(pair.response, pair.context),
                prompter.target(pair.instruction),
                rating_prompt(prompter, pair),
            )
            for pair in comparison_pairs(prompter, room, pairs)
        ]

    def __len__(self) -> int:
        """How many pairs there are to compare on."""
        return len(self._pairs)

    def compared(self, report: Report) -> Iterator[list[ComparedPair]]:
        """All pairs in both precisions, a batch at a time.

        ``report`` gets a line for each pair. Raises EngineError where a graph fails.
        """
        for start in range(0, len(self._pairs), _BATCH):
            batch = self._pairs[start : start + _BATCH]
            greedy = self._fp32.greedy([pair.backward for pair in batch], _GREEDY_TOKENS)
            compared = []
            for slot, (pair, tokens) in enumerate(zip(batch, greedy, strict=True)):
                chosen = self._int8.most_probable(pair.backward, tokens, slot)
                compared.append(
                    ComparedPair(
                        len(pair.target),
                        fp32=self._score(self._fp32, slot, pair, tokens),
                        int8=self._score(self._int8, slot, pair, chosen),
                    )
                )
                report(f"comparing int8 with fp32: pair {start + slot + 1} of {len(self)}")
            yield compared

    def _score(
        self, scorer: GraphScorer, slot: int, pair: _PairPrompts, tokens: list[int]
    ) -> PairScores:
        return PairScores(
            nats=float(scorer.nats(pair.backward, [pair.target], slot)[0]),
            rating=scorer.rating(pair.rating, self._digit_ids),
            tokens=tokens,
        )
