"""What follows from the records of a model: likelihoods, ranks, and the form of what it wrote."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from agents.curation.instruction_rules import InstructionRules
from bench.writer.records import Ranked, Written
from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.estimate import Estimate

_WORD = re.compile(r"[\w']+")
_PHRASE = 4
"""Words of a phrase: an instruction that has one twice repeats itself."""
_COMMON = frozenset({"what", "how"})


def of_ranks(found: Sequence[Ranked]) -> dict[str, Estimate]:
    """Likelihood and rank of true instructions, by name. Not for an empty sequence."""
    given, alone, tokens, characters, before = (
        np.array([getattr(one, name) for one in found], np.float64)
        for name in ("given", "alone", "tokens", "characters", "before")
    )

    def ratio(top: np.ndarray, bottom: np.ndarray) -> Estimate:
        return bootstrap_interval(lambda rows: top[rows].sum() / bottom[rows].sum(), len(found))

    return {
        "nll_character": ratio(given, characters),
        "nll_character_alone": ratio(alone, characters),
        "nll_token": ratio(given, tokens),
        "first_of_10": _mean((before == 0).astype(np.float64)),
        "rank": _mean(before + 1),
    }


def of_writing(written: Sequence[Written]) -> dict[str, Estimate]:
    """Form and variety of instructions for passages that fit. Not for an empty sequence."""
    texts = [one.instruction for one in written if one.instruction is not None]
    folded = [text.casefold() for text in texts]
    starts = [opening(text) for text in texts]
    rules = InstructionRules()

    def share(holds: Callable[[str], bool]) -> Estimate:
        return _mean(np.array([holds(text) for text in texts], np.float64))

    def commonest(rows: np.ndarray) -> float:
        return Counter(starts[row] for row in rows).most_common(1)[0][1] / len(rows)

    distinct = len(set(folded)) / len(folded)
    return {
        "well_formed": share(lambda text: text.endswith((".", "?"))),
        "without_repetition": share(lambda text: not repeats(text)),
        "passes_rules": share(lambda text: bool(text) and rules.refuse(text) is None),
        "distinct": (distinct, distinct, distinct),
        "commonest_opening": bootstrap_interval(commonest, len(starts)),
        "other_than_what_how": share(lambda text: first_word(text) not in _COMMON),
        "words": _mean(np.array([len(text.split()) for text in texts], np.float64)),
    }


def openings(written: Sequence[Written], count: int) -> list[tuple[str, int]]:
    """The commonest openings of two words, with their numbers."""
    starts = (opening(one.instruction) for one in written if one.instruction is not None)
    return Counter(starts).most_common(count)


def opening(text: str) -> str:
    """The first two words in lower case."""
    return " ".join(_WORD.findall(text.lower())[:2])


def first_word(text: str) -> str:
    """The first word in lower case; empty where there is none."""
    return opening(text).partition(" ")[0]


def repeats(text: str) -> bool:
    """Whether a phrase of four words occurs twice."""
    words = _WORD.findall(text.lower())
    phrases = [tuple(words[i : i + _PHRASE]) for i in range(len(words) - _PHRASE + 1)]
    return len(set(phrases)) < len(phrases)


def _mean(values: np.ndarray) -> Estimate:
    return bootstrap_interval(lambda rows: float(values[rows].mean()), len(values))
