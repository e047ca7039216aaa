"""ROUGE-L of two texts, by words."""

from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

NEAR = 0.7
"""ROUGE-L F1 at which two instructions are near duplicates, as in Self-Instruct, arXiv 2212.10560.
"""


def rouge_l(a: Sequence[str], b: Sequence[str]) -> float:
    """ROUGE-L F1 of two lists of words, 0 to 1. It is 0 where either is empty."""
    return 2 * LCSseq.similarity(a, b) / (len(a) + len(b)) if a and b else 0.0
