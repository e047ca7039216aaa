"""Chooses the shipped human pairs (``models/seeds``) for the int8 graph of an export.

The graph is fitted on some and compared on others. No pair serves both.
"""

from models.prompts.layout import Prompter
from models.seeds import read_seeds
from schemas.records import Example

PAIRS = 40
"""Most pairs of either kind."""


def comparison_pairs(prompter: Prompter, room: int, count: int = PAIRS) -> list[Example]:
    """The first ``count`` pairs whose rating prompts have at most ``room`` tokens."""
    seeds = read_seeds()
    uncalibrated = [*seeds[:PAIRS], *seeds[2 * PAIRS :]]
    found = (pair for pair in uncalibrated if len(rating_prompt(prompter, pair)) <= room)
    return [pair for _, pair in zip(range(count), found, strict=False)]


def calibration_prompts(prompter: Prompter, context: int, count: int = PAIRS) -> list[list[int]]:
    """Rating prompts of at most ``context`` tokens, of ``count`` pairs or fewer."""
    pairs = read_seeds()[PAIRS : PAIRS + count]
    prompts = [rating_prompt(prompter, pair) for pair in pairs]
    return [prompt for prompt in prompts if len(prompt) <= context]


def rating_prompt(prompter: Prompter, pair: Example) -> list[int]:
    """The prompt for the rating of a pair."""
    return prompter.rating(pair.instruction, pair.response, pair.context)
