"""Exemplars of few-shot prompts.

They show a base model the task, and an instruct model the points of the rating scale. They are made
from two human seeds of the training split.
"""

import random
from collections.abc import Sequence
from functools import cache

from models.prompts.template import Task
from models.seeds import read_seeds, split
from models.seeds.grades import Grader
from models.seeds.pairs import Pair

_SEED_REQUESTS = (
    "When should I use a generator instead of building a list in Python?",
    "How do I convert a temperature from Fahrenheit to Celsius, and is there a quick way to "
    "estimate it?",
)
_RANDOM_NEGATIVE = "Suggest names for a small bookshop that also serves coffee."

Exemplar = tuple[Pair, str]
"""A pair, and the correct answer of the model to its prompt."""


@cache
def exemplars(task: Task) -> Sequence[Exemplar]:
    """The exemplars of a task, if it has any. Those of the rating have the digits 3, 1 and 5."""
    training, _ = split(read_seeds())
    by_request = {seed.instruction: Pair.of(seed) for seed in training}
    one, other = (by_request[request] for request in _SEED_REQUESTS)
    if task is Task.BACKWARD:
        return [(one, one.instruction), (other, other.instruction)]
    if task is Task.FORWARD:
        return [(one, one.response), (other, other.response)]
    if task is not Task.RATING:
        return []
    grader = Grader(list(by_request.values()), random.Random(0))
    middling = grader.draw(other, 3).pair
    return [(middling, "3"), (Pair(_RANDOM_NEGATIVE, one.response), "1"), (one, "5")]
