"""First words of instructions, from which the backward model's first token is drawn.

A model trained on human requests begins most of what it asks of a reference text with "What is".
The first word is drawn from a wider list instead, by weight and by the model's probability of the
word, so that lists, summaries, explanations and reasons are asked for as well. A word that the
model finds improbable for the passage is not drawn.
"""

from collections.abc import Mapping

OPENINGS: Mapping[str, float] = {
    "What": 0.75,
    "How": 1.0,
    "Why": 1.0,
    "When": 1.0,
    "Explain": 1.0,
    "Describe": 1.0,
    "List": 1.0,
    "Give": 1.0,
    "Summarize": 1.0,
    "Outline": 1.0,
    "Show": 1.0,
    "Write": 0.25,
    "Compare": 1.0,
}
"""The default words and weights.

People rated instructions that begin with "What" or "Write" lower than others, so these are drawn
less. "Which" is left out: a small model goes on with "of the following" and makes up a list.
"""

LEAST_SHARE = 0.2
"""A word is drawn only if it has at least this share of the probability of the most probable token.

Where no word has it, the model chooses the first word.
"""
