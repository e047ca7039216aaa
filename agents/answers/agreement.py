"""How far several answers to one question agree (self-consistency, arXiv 2203.11171).

Answers with a final answer agree where these are equal: the majority counts. Answers that are texts
agree where their ROUGE-L is high: the largest group around one of them counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.evaluation.rouge import rouge_l
from models.evaluation.words import words


@dataclass(frozen=True, slots=True)
class Majority:
    """The largest group of answers that agree."""

    members: tuple[int, ...]
    """Numbers of its samples, ascending."""
    medoid: int
    """The sample that is most like the others of the group."""
    answer: str | None = None
    """Their final answer; None for texts."""


def majority(texts: Mapping[int, str], answers: Mapping[int, str]) -> Majority:
    """The majority among final answers, by the numbers of the samples. ``answers`` is not empty.

    Of several answers with equally many votes, that of the earliest sample counts.
    """
    votes: dict[str, list[int]] = {}
    for sample in sorted(answers):
        votes.setdefault(answers[sample], []).append(sample)
    answer = max(votes, key=lambda one: len(votes[one]))  # the first of equal ones
    members = votes[answer]
    return Majority(tuple(members), _medoid(members, _similarities(texts, members)), answer)


def largest_cluster(texts: Mapping[int, str], similarity: float) -> Majority:
    """The largest group of texts whose ROUGE-L F1 with one of them is at least ``similarity``.

    Of several groups of one size, the one whose texts are more alike, then the one around the
    earliest sample. ``texts`` is not empty.
    """
    samples = sorted(texts)
    alike = _similarities(texts, samples)

    def around(centre: int) -> list[int]:
        return [one for one in samples if one == centre or alike[centre, one] >= similarity]

    def size(centre: int) -> tuple[int, float]:
        members = around(centre)
        return len(members), sum(alike[centre, one] for one in members if one != centre)

    members = around(max(samples, key=size))
    return Majority(tuple(members), _medoid(members, alike))


def _similarities(
    texts: Mapping[int, str], samples: Sequence[int]
) -> Mapping[tuple[int, int], float]:
    found = {sample: words(texts[sample]) for sample in samples}
    alike: dict[tuple[int, int], float] = {}
    for place, one in enumerate(samples):
        for other in samples[place + 1 :]:
            alike[one, other] = alike[other, one] = rouge_l(found[one], found[other])
    return alike


def _medoid(members: Sequence[int], alike: Mapping[tuple[int, int], float]) -> int:
    return max(members, key=lambda one: sum(alike[one, other] for other in members if other != one))
