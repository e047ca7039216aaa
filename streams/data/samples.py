"""Samples of a set for its card: the lowest-rated example, one from the middle and the highest."""

from collections.abc import Sequence

from agents.figures import as_score
from schemas.records import Example
from streams.data.exports import request_of

_LONGEST = 600
"""Characters of a text that are shown."""


def samples(examples: Sequence[Example]) -> list[str]:
    """Markdown of at most three examples; empty where there is none."""
    if not examples:
        return []
    ranked = sorted(examples, key=lambda example: (_score(example), example.id))
    places = sorted({0, len(ranked) // 2, len(ranked) - 1})
    parts = ["## Samples"]
    if len(ranked) > len(places):
        parts.append("The lowest-rated example, the one in the middle, and the highest-rated one.")
    for place in places:
        example = ranked[place]
        rated = f"rated {as_score(example.rating.score)}" if example.rating else "written by people"
        said = f"{request_of(example.instruction, example.context)}\n\n→ {example.response}"
        parts += [f"`{example.id}`, {rated}:", _quoted(said)]
    return parts


def _score(example: Example) -> float:
    return example.rating.score if example.rating else 0.0


def _quoted(text: str) -> str:
    """A text as a code block, which no Markdown in it can end."""
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return "\n".join(f"    {line}" for line in shown.splitlines())
