"""From logits to tokens and ratings: numpy only, no model, no clock, no shared random numbers."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.sampling import Sampling

DIGITS = 5
"""Points of the rating scale."""

Logits = NDArray[np.float32]
Nats = NDArray[np.float32]
"""Negative natural logarithms of probabilities."""


@dataclass(frozen=True, slots=True)
class DigitProbabilities:
    """A model's probabilities where a digit is expected."""

    probabilities: tuple[float, float, float, float, float]
    """Of '1' to '5', renormalised to sum to 1."""
    mass: float
    """The probability that the five digits have together among all tokens."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A model's probabilities of options at the next token."""

    probabilities: tuple[float, ...]
    """Of the options, in their order, renormalised to sum to 1."""
    mass: float
    """The probability that the options have together among all tokens."""


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The most probable tokens after penalty and temperature."""

    ids: NDArray[np.int64]
    """[tokens], the most probable first."""
    scores: NDArray[np.float32]
    """[tokens]; logits after penalty and temperature."""
    log_sum: float
    """Logarithm of the sum of the exponentials of such scores, over the whole vocabulary."""
    vocabulary: int


class Sampler:
    """Chooses the tokens of one generation.

    Its random numbers depend only on the seed and the step.
    """

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._seen: set[int] = set()
        # Made only where needed: it takes longer than the whole arithmetic of a rating.
        self._random = (
            np.random.Generator(np.random.Philox(key=sampling.seed))
            if sampling.temperature or sampling.first
            else None
        )
        self._begun = False

    def choose(self, logits: Logits) -> int:
        """The next token, from its logits, float32 [vocabulary].

        Draws one uniform random number unless greedy.
        """
        if self._draws_first:
            ids, probabilities = _first_tokens(logits, self.sampling)
            if len(ids):
                return self._draw(ids, probabilities)
        scores = self._apply_penalty(logits)
        if self.sampling.temperature == 0:
            return self._chosen(int(scores.argmax()))
        return self._draw(
            *_candidates(scores.astype(np.float64) / self.sampling.temperature, self.sampling)
        )

    def choose_among(self, shortlist: Shortlist) -> int | None:
        """The same token from a shortlist.

        None, and no random number is drawn, where the token may not be on the list.
        """
        if self._draws_first:
            return None
        if self.sampling.temperature == 0:
            return self._chosen(int(shortlist.ids[0]))
        found = _shortlisted(shortlist, self.sampling)
        return None if found is None else self._draw(*found)

    @property
    def penalised(self) -> Collection[int]:
        """The ids that the repetition penalty applies to."""
        return () if self.sampling.repetition_penalty == 1.0 else self._seen

    def _apply_penalty(self, logits: Logits) -> Logits:
        penalty = self.sampling.repetition_penalty
        if not self.penalised:
            return logits
        scores = logits.copy()
        seen = np.fromiter(self._seen, np.int64, len(self._seen))
        scores[seen] = np.where(scores[seen] > 0, scores[seen] / penalty, scores[seen] * penalty)
        return scores

    def _draw(self, ids: NDArray[np.int64], probabilities: NDArray[np.float64]) -> int:
        # Summed in the order of ids, not of probabilities: two nearly equal tokens may swap places
        # between batches, and this hardly changes the sums then.
        assert self._random is not None, "greedy draws nothing"
        sums = np.cumsum(probabilities)
        index = int(np.searchsorted(sums, self._random.random() * sums[-1], side="right"))
        return self._chosen(int(ids[min(index, len(ids) - 1)]))

    @property
    def _draws_first(self) -> bool:
        """Whether the next token is the first one, of those that ``Sampling.first`` allows."""
        return bool(self.sampling.first) and not self._begun

    def _chosen(self, token: int) -> int:
        self._begun = True
        self._seen.add(token)
        return token


def choice_among(logits: Logits, option_ids: Sequence[int]) -> Choice:
    """The probabilities of some tokens.

    ``logits``, float32 [vocabulary], are those where one of them is expected.
    """
    scores = logits.astype(np.float64)
    options = scores[list(option_ids)]
    weights = np.exp(options - options.max())
    mass = math.exp(_log_sum(options) - _log_sum(scores))
    return Choice(tuple((weights / weights.sum()).tolist()), min(mass, 1.0))


def digit_probabilities(choice: Choice) -> DigitProbabilities:
    """A choice among the five digits, as a rating has it."""
    one, two, three, four, five = choice.probabilities
    return DigitProbabilities((one, two, three, four, five), choice.mass)


def negative_log_probabilities(logits: Logits, ids: Sequence[int]) -> Nats:
    """[ids]: of each id, given its row of ``logits`` [ids, vocabulary]."""
    highest = logits.max(axis=1)
    sums = np.exp(logits - highest[:, None]).sum(axis=1, dtype=np.float64)
    found = logits[np.arange(len(ids)), list(ids)]
    return (np.log(sums) + highest - found).astype(np.float32)


def _first_tokens(
    logits: Logits, sampling: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids of ``Sampling.first`` that may be drawn, ascending, and their probabilities.

    The probabilities are not normalised.
    """
    ids, weights = (np.array(column) for column in zip(*sorted(sampling.first), strict=True))
    below = logits[ids].astype(np.float64) - float(logits.max())
    probable = np.exp(below) >= sampling.first_least
    ids, weights, below = ids[probable], weights[probable], below[probable]
    return ids, weights * np.exp((below - below.max(initial=-np.inf)) / 2)


def _candidates(
    scores: NDArray[np.float64], sampling: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids to sample from, ascending, and their probabilities, not renormalised."""
    ids = np.arange(len(scores))
    if 0 < sampling.top_k < len(scores):
        ids = np.sort(np.argsort(-scores, kind="stable")[: sampling.top_k])
    probabilities = np.exp(scores[ids] - scores[ids].max())
    probabilities /= probabilities.sum()
    if sampling.top_p < 1:
        order = np.argsort(-probabilities, kind="stable")
        before = np.cumsum(probabilities[order]) - probabilities[order]
        kept = np.sort(order[before < sampling.top_p])
        ids, probabilities = ids[kept], probabilities[kept]
    return ids, probabilities


def _shortlisted(
    shortlist: Shortlist, sampling: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """As ``_candidates``, from a shortlist; None where it may lack some of them."""
    ids, scores, listed = shortlist.ids, shortlist.scores.astype(np.float64), len(shortlist.ids)
    limited = 0 < sampling.top_k < shortlist.vocabulary
    if limited and sampling.top_k > listed:
        return None
    if limited:
        ids, scores = ids[: sampling.top_k], scores[: sampling.top_k]
        probabilities = np.exp(scores - scores[0])
        probabilities /= probabilities.sum()
    else:
        probabilities = np.exp(scores - shortlist.log_sum)
    kept = (
        np.cumsum(probabilities) - probabilities < sampling.top_p
        if sampling.top_p < 1
        else np.ones(len(ids), bool)
    )
    if not limited and kept.all() and listed < shortlist.vocabulary:
        return None
    ids, probabilities = ids[kept], probabilities[kept]
    ascending = np.argsort(ids)
    return ids[ascending], probabilities[ascending]


def _log_sum(scores: NDArray[np.float64]) -> float:
    """The logarithm of the sum of exponentials, without overflow."""
    highest = float(scores.max())
    return highest + math.log(float(np.exp(scores - highest).sum()))
