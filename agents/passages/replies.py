"""The replies of a conversation, each to be given the message that it answers.

The message that the user sent, if it is there, is not looked at: another one is written for the
reply. A conversation whose messages are to be kept is for ``backstream seed``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agents.passages.filters import Limits, refuse
from agents.refusal import Refusal
from schemas.conversations import parse_conversation
from schemas.turns import History

HISTORY_TOO_LONG = "history_too_long"


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """Limits of a reply."""

    passages: Limits
    """Those of a passage. They hold for a reply, but for the fewest characters."""
    min_characters: int
    max_history: int
    """Most characters of the turns before the message that it answers."""

    def refuse(self, reply: str, turns: History) -> Refusal | None:
        """Return the first reason to refuse a reply, or None where it passes."""
        if refusal := refuse(reply, replace(self.passages, min_characters=self.min_characters)):
            return refusal
        said = sum(len(turn.text) for turn in turns)
        if said > self.max_history:
            return Refusal(
                HISTORY_TOO_LONG,
                f"{said:,} characters were said before; at most {self.max_history:,} are read",
            )
        return None


def read_replies(text: str, limits: ReplyLimits) -> Iterator[tuple[History, str, Refusal | None]]:
    """The turns before, the reply, and why it is refused, for each exchange of a conversation.

    Raises NotAConversation.
    """
    for turns, _, reply in parse_conversation(text):
        yield turns, reply, limits.refuse(reply, turns)
