"""The earlier turns of a conversation in a prompt.

In a chat they are messages of their own where the prompt goes on with the conversation, as that of
an answer does. Where it asks something about the conversation, as the backward and the rating
prompt do, they are quoted at ``{turns}``. The other families have them at the beginning of the
context.
"""

from collections.abc import Sequence

from schemas.turns import Turn, exchanges_of, transcript

TURNS = "{turns}"
"""Where a template quotes them; it is left out where there are none."""


def quoted(turns: Sequence[Turn]) -> str:
    """What stands at ``{turns}``: empty for none."""
    return f"What was said before:\n{transcript(turns)}\n\n" if turns else ""


def in_context(turns: Sequence[Turn], context: str | None) -> str:
    """A context that begins with turns."""
    return "\n\n".join(part for part in (transcript(turns), context or "") if part)


def turn_values(turns: Sequence[Turn]) -> dict[str, str]:
    """The values of the placeholders that earlier messages have: ``instruction0`` and so on."""
    values: dict[str, str] = {}
    for number, (asked, answered) in enumerate(exchanges_of(turns)):
        values |= {f"instruction{number}": asked, f"response{number}": answered}
    return values
