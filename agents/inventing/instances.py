"""Rules on the instances of an instruction, after Self-Instruct (arXiv 2212.10560, section 2.2)."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agents.refusal import Refusal
from models.evaluation.rouge import NEAR, rouge_l
from models.evaluation.words import words
from models.prompts.tasks.invention import NO_INPUT, SHOWN_INPUTS

_NOTHING = frozenset(("", NO_INPUT, "no", "no input", "not needed", "n/a", "noinput"))
_AROUND = " \t.,:;<>()[]\"'*"
_SEPARATOR = re.compile(r"[,;/|]|\bor\b|\band\b")
_LONGEST_LABEL = 60
"""Characters of a label."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What an instruction is applied to, and the answer."""

    sample: int
    """Number of the instance, from 0."""
    given: str | None
    """The input; None where the task needs none."""
    answer: str


def input_of(text: str) -> str | None:
    """An input as a model wrote it; None where it says that the task needs none."""
    text = text.strip()
    return None if text.strip(_AROUND).lower() in _NOTHING else text


def labels_of(text: str) -> list[str]:
    """The labels in a list, each once, in its order."""
    found: dict[str, str] = {}
    for part in _SEPARATOR.split(text):
        label = part.strip(_AROUND)
        if label and len(label) <= _LONGEST_LABEL:
            found.setdefault(label.casefold(), label)
    return list(found.values())


def refuse_input(given: str | None, earlier: Sequence[str | None]) -> Refusal | None:
    """Refuse an input that is near to one in the prompt, or the same as an earlier one."""
    if given and any(rouge_l(words(given), words(shown)) >= NEAR for shown in SHOWN_INPUTS):
        return Refusal("copied_input", given)
    if any(_same(given, other) for other in earlier):
        return Refusal("repeated_input", given or "the second instance without an input")
    return None


def refuse_answer(instance: Instance) -> Refusal | None:
    """Refuse an answer of nothing, and one that is the input."""
    if not instance.answer:
        return Refusal("empty_output", "the model wrote nothing")
    if instance.given is not None and _same(instance.answer, instance.given):
        return Refusal("output_is_input", instance.answer)
    return None


def contradictions(instances: Sequence[Instance]) -> dict[int, Refusal]:
    """Refusals, by sample, of instances with the same input and different outputs: all of them."""
    alike: dict[str, list[Instance]] = defaultdict(list)
    for one in instances:
        alike[_folded(one.given)].append(one)
    return {
        one.sample: Refusal("contradictory_output", one.given or "without an input")
        for group in alike.values()
        if len({_folded(one.answer) for one in group}) > 1
        for one in group
    }


def _same(one: str | None, other: str | None) -> bool:
    return _folded(one) == _folded(other)


def _folded(text: str | None) -> str:
    return " ".join((text or "").split()).casefold()
