"""The pairer agent: makes preference pairs of curated examples and the samples that lost to them.

It has no state. An example on ``curated`` holds the other samples of its passage with their
ratings, and it is written again whenever one of them changes.
"""

from collections.abc import Iterable
from typing import get_args

from agents.curation.kept import rank_of
from agents.figures import as_score
from agents.outcomes import Retraction
from agents.pairing.settings import PreferenceSettings
from schemas.ids import preference_id
from schemas.records import (
    Alternative,
    Example,
    Offset,
    Preference,
    PreferenceTask,
    Rejection,
    Side,
)

_TASKS: tuple[PreferenceTask, ...] = get_args(PreferenceTask)


class Pairer:
    """Example → a Preference for each task, a Retraction for each task that has none.

    An example without any pair also gives a Rejection, which says why. The retraction of an example
    gives those of its pairs.
    """

    stage = "pairer"

    def __init__(self, settings: PreferenceSettings | None = None) -> None:
        self._settings = settings or PreferenceSettings()

    async def handle(
        self, example: Example | Retraction, at: Offset | None = None
    ) -> list[Preference | Rejection | Retraction]:
        """Return what follows for the pairs of an example. Raises nothing."""
        pairs = {} if isinstance(example, Retraction) else self._pairs(example)
        outcomes: list[Preference | Rejection | Retraction] = [*pairs.values()]
        if not pairs and isinstance(example, Example):
            outcomes.append(self._reject(example))
        outcomes += [
            Retraction(preference_id(example.id, task), Preference)
            for task in _TASKS
            if task not in pairs
        ]
        return outcomes

    def _pairs(self, example: Example) -> dict[PreferenceTask, Preference]:
        """The pair of each task: the example, and the worst-rated sample that shares its prompt."""
        if _is_edited(example):
            return {}
        fair = [one for one in example.alternatives if _is_fair(example, one)]
        found: dict[PreferenceTask, Preference] = {}
        for task in _TASKS:
            if worst := _worst(one for one in fair if _shares_prompt(example, one, task)):
                margin = _score(example) - worst.rating.score
                if margin > 0 and margin >= self._settings.margin:
                    found[task] = _preference(example, worst, task, margin)
        return found

    def _reject(self, example: Example) -> Rejection:
        reason, detail = self._refusal(example)
        made = example.provenance
        return Rejection(
            id=example.id,
            stage=self.stage,
            reason=reason,
            detail=detail,
            document_id=made.document_id,
            segment_id=made.segment_id,
            request_id=made.request_id,
        )

    def _refusal(self, example: Example) -> tuple[str, str]:
        """Why an example has no pair."""
        if _is_edited(example):
            return "edited", "a person edited it: it was rated with other texts"
        if not example.alternatives:
            return "no_other_sample", "no other sample of its passage is known"
        fair = [one for one in example.alternatives if _is_fair(example, one)]
        if not fair:
            return "rated_apart", "another release or term rated the other samples"
        shared = [one for one in fair if any(_shares_prompt(example, one, task) for task in _TASKS)]
        if not (worst := _worst(shared)):
            return "other_prompt", "no other sample shares the instruction or the response alone"
        margin = _score(example) - worst.rating.score
        return "small_margin", f"{as_score(margin)}, at least {self._settings.margin:g}"


def _is_edited(example: Example) -> bool:
    return example.ruling is not None and example.ruling.texts is not None


def _is_fair(example: Example, other: Alternative) -> bool:
    """Whether the same release rated both, in the same term."""
    return example.rating is not None and rank_of(example.rating) == rank_of(other.rating)


def _shares_prompt(example: Example, other: Alternative, task: PreferenceTask) -> bool:
    """Whether the two differ in the answer to the task's prompt, and in nothing else."""
    same_response = other.response is None or other.response == example.response
    same_instruction = other.instruction == example.instruction
    return same_response != same_instruction and same_instruction == (task == "forward")


def _worst(samples: Iterable[Alternative]) -> Alternative | None:
    return min(samples, key=lambda one: (one.rating.score, one.id), default=None)


def _score(example: Example) -> float:
    assert example.rating is not None
    return example.rating.score


def _preference(
    example: Example, other: Alternative, task: PreferenceTask, margin: float
) -> Preference:
    assert example.rating is not None
    forward = task == "forward"
    return Preference(
        id=preference_id(example.id, task),
        example_id=example.id,
        task=task,
        prompt=example.instruction if forward else example.response,
        context=example.context,
        turns=example.turns,
        headings=() if forward else example.provenance.headings,
        chosen=Side(
            id=example.id,
            text=example.response if forward else example.instruction,
            rating=example.rating,
            provenance=example.provenance,
        ),
        rejected=Side(
            id=other.id,
            text=(other.response or example.response) if forward else other.instruction,
            rating=other.rating,
            provenance=other.provenance,
        ),
        margin=margin,
    )
