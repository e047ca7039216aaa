"""Which task a passage sets.

The mix says how often each category is wanted; the model says, by a choice among first words, how
well each suits the passage. Whether the task has a context is drawn by the mix alone: nearly every
passage can be material, and to a model the passages of one source look alike in this, so that no
quota would be met. Then the category is drawn by the product of both. The segment's id stands in
place of random numbers. There is no state, so a replay, another worker and another partition draw
the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agents.tasks.material import Material, materials
from models.prompts.categories import FIRST_WORDS, CategoryRule, shipped_rule
from models.prompts.prompt import Prompt
from models.prompts.tasks.backward import heading_line
from models.prompts.template import Task
from models.serving.role_model import RoleModel
from schemas.categories import WITH_CONTEXT, Category, Mix
from schemas.errors import ModelError, PromptTooLong, RemoteMissing
from schemas.ids import hash_fraction
from schemas.records import Segment

T = TypeVar("T")
_ENGLISH = (None, "en")
"""Languages of the passages whose instructions begin with the words of ``categories.py``."""

_CANNOT_CHOOSE = (ModelError, RemoteMissing)
"""Raised where a tokenizer begins two words alike, or a server gives no probabilities."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The task that a passage sets."""

    category: Category | None
    """None where none was chosen."""
    material: Material | None = None
    """For a task with a context. Else the passage is the response."""


WHOLE = Assignment(None)
"""The passage is the response, and the category is not known."""


class TaskChooser:
    """Draws the task of each passage. Belongs to one event loop."""

    def __init__(self, mix: Mix, longest: int, rule: CategoryRule | None = None) -> None:
        """``longest``: characters of a passage; a context and its answer have no more together."""
        self._mix = {one: mix[one] for one in Category if mix.get(one, 0) > 0}
        self._longest = longest
        self._rule = rule or shipped_rule()
        self._empty: dict[str, Sequence[float]] = {}
        """By release and template: the choice after an empty passage."""

    async def choose(self, model: RoleModel, segment: Segment) -> Assignment | None:
        """The task of a passage; None where it can set none that is wanted.

        A passage with a context or earlier turns of its own, and every passage where no mix is
        wanted, is a response. Raises PromptTooLong.
        """
        if not self._mix or segment.context or segment.turns:
            return WHOLE
        found = materials(segment, self._longest)
        wanted = {
            category: share
            for category, share in self._mix.items()
            if category not in WITH_CONTEXT or category in found
        }
        if not wanted:
            return None
        given = drawn(_halves(wanted), f"context {segment.id}")
        shares = await self.shares(model, segment)
        category = drawn(
            {
                one: share * shares[one]
                for one, share in wanted.items()
                if (one in WITH_CONTEXT) == given
            },
            f"task {segment.id}",
        )
        return Assignment(category, found.get(category))

    async def shares(self, model: RoleModel, segment: Segment) -> Mapping[Category, float]:
        """How well each category suits a passage, by the model: probabilities that sum to 1.

        All the same for a passage in another language than English, and for a model that cannot
        choose among the words. Raises PromptTooLong.
        """
        if segment.language in _ENGLISH:
            prompt = prompt_for(segment.text, None, segment.headings)
            try:
                given = (await model.choose(prompt, self._rule.words)).probabilities
                return self._rule.shares(given, await self._after_nothing(model))
            except PromptTooLong:
                raise
            except _CANNOT_CHOOSE:
                pass
        return dict.fromkeys(Category, 1 / len(Category))

    async def first_word(
        self, model: RoleModel, segment: Segment, material: Material, sample: int
    ) -> str:
        """The word that the instruction begins with, by weight and by the model's probability.

        Empty where the model is to choose: in other languages than English. Raises PromptTooLong.
        """
        if segment.language not in _ENGLISH:
            return ""
        weights = FIRST_WORDS[material.category]
        prompt = prompt_for(material.response, material.context, segment.headings)
        try:
            found = (await model.choose(prompt, tuple(weights))).probabilities
        except PromptTooLong:
            raise
        except _CANNOT_CHOOSE:
            found = (1.0,) * len(weights)
        # The root lets less probable words be drawn more often, as for the words of a passage.
        tempered = {
            word: weight * p**0.5 for (word, weight), p in zip(weights.items(), found, strict=True)
        }
        return drawn(tempered, f"first word {sample} {segment.id}")

    async def _after_nothing(self, model: RoleModel) -> Sequence[float]:
        key = f"{model.release} {model.template_id(Task.BACKWARD)}"
        if key not in self._empty:
            found = await model.choose(prompt_for("", None, ()), self._rule.words)
            self._empty[key] = found.probabilities
        return self._empty[key]


def drawn(weights: Mapping[T, float], by: str) -> T:
    """One of the keys, by weight, the same for the same text ``by``. One weight must be over 0."""
    left = hash_fraction(by) * sum(weights.values())
    chosen = None
    for key, weight in weights.items():
        if weight > 0:
            chosen, left = key, left - weight
            if left < 0:
                break
    assert chosen is not None, "a weight is over 0"
    return chosen


def _halves(wanted: Mix) -> dict[bool, float]:
    """What is wanted with a context, True, and without."""
    halves = {True: 0.0, False: 0.0}
    for category, share in wanted.items():
        halves[category in WITH_CONTEXT] += share
    return halves


def prompt_for(response: str, context: str | None, headings: Sequence[str]) -> Prompt:
    """The prompt after which a first word is chosen: that of the instruction itself.

    So the engine has most of the instruction's prompt in its cache already.
    """
    return Prompt(
        Task.BACKWARD,
        {"response": response, "context": context or "", "heading": heading_line(headings)},
    )
