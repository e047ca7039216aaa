"""The kinds of task, by the words that their instructions begin with.

A model is not asked for a category: one that was not trained on their names cannot tell them. It is
asked for the next token where the instruction begins, a choice among first words that people use.
A linear rule turns the probabilities into those of the eight categories. It was fitted on human
pairs with labels, by ``python -m bench.categories``.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from schemas.categories import WITH_CONTEXT, Category

RULE_FILE = Path(__file__).with_name("categories.json")

WORDS = (
    *("What", "How", "Why", "Who", "When", "Where", "Which", "Is", "Can", "Should", "Give", "List"),
    *("Name", "Extract", "Summarize", "Describe", "Explain", "Identify", "Classify", "Categorize"),
    *("Tell", "Write", "Imagine", "Think", "Based", "Given", "From", "According", "Please"),
    *("Provide", "Generate"),
)
"""The words of the choice. Each begins with a token of its own in the models that it was fitted on.
"""

FIRST_WORDS: Mapping[Category, Mapping[str, float]] = {
    Category.OPEN_QA: dict.fromkeys(("What", "Who", "When", "Where", "Which", "Is", "Does"), 1.0),
    Category.GENERAL_QA: dict.fromkeys(
        ("How", "Why", "Explain", "Describe", "Compare", "Should", "Can", "Outline", "Show"), 1.0
    ),
    Category.BRAINSTORMING: dict.fromkeys(("List", "Give", "Suggest", "Name", "Think"), 1.0),
    Category.CREATIVE_WRITING: dict.fromkeys(("Write", "Imagine", "Create", "Compose"), 1.0),
    Category.CLOSED_QA: {"What": 1.0, "How": 1.0, "Why": 1.0, "When": 1.0, "Which": 0.5},
    Category.INFORMATION_EXTRACTION: {"Extract": 1.0, "List": 1.0, "Identify": 0.5, "Name": 0.5},
    Category.SUMMARIZATION: {"Summarize": 1.0, "Outline": 0.3},
    Category.CLASSIFICATION: dict.fromkeys(("Classify", "Categorize", "Choose", "Decide"), 1.0),
}
"""First words of the instructions of each category, with the weights that they are drawn by."""

_LEAST = 1e-6


class CategoryRule(BaseModel):
    """Turns a model's probabilities of WORDS into those of the categories.

    Its figures are how many nats a word is more probable after a text than after an empty one, less
    their mean over the words. So what a model prefers whatever the text is has no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[str, ...]
    weights: Mapping[Category, tuple[float, ...]]
    """Of each word, in the order of ``words``."""
    bias: Mapping[Category, float]

    def shares(self, given: Sequence[float], empty: Sequence[float]) -> dict[Category, float]:
        """Probabilities of the categories, each over 0, which sum to 1.

        ``given`` and ``empty`` are probabilities of ``words`` after the text and after none.
        """
        gains = word_gains(given, empty)
        scores = {
            category: self.bias[category]
            + sum(weight * gain for weight, gain in zip(weights, gains, strict=True))
            for category, weights in self.weights.items()
        }
        highest = max(scores.values())
        powers = {
            category: max(math.exp(score - highest), _LEAST) for category, score in scores.items()
        }
        total = sum(powers.values())
        return {category: power / total for category, power in powers.items()}


def word_gains(given: Sequence[float], empty: Sequence[float]) -> list[float]:
    """The figures of a CategoryRule, of each word."""
    gains = [
        math.log(max(_LEAST, one)) - math.log(max(_LEAST, other))  # of no number, the least
        for one, other in zip(given, empty, strict=True)
    ]
    mean = sum(gains) / len(gains)
    return [gain - mean for gain in gains]


@cache
def shipped_rule() -> CategoryRule:
    """The rule that was fitted on human pairs."""
    return CategoryRule.model_validate_json(RULE_FILE.read_bytes())


def category_of(instruction: str, drawn: Category) -> Category:
    """The category of an instruction that was written for the category ``drawn``.

    It is ``drawn`` where the instruction begins with one of its words or with a word of no
    category; else that of its first word, of those with a context or of those without as ``drawn``.
    """
    words = instruction.split(maxsplit=1)
    first = words[0].strip(",:'\"’").capitalize() if words else ""
    if first in FIRST_WORDS[drawn]:
        return drawn
    return next(
        (
            category
            for category, known in FIRST_WORDS.items()
            if first in known and (category in WITH_CONTEXT) == (drawn in WITH_CONTEXT)
        ),
        drawn,
    )
