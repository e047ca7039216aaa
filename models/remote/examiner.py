"""Asks a remote model for the evidence about a pair."""

from collections.abc import Sequence

from models.engine import DigitProbabilities
from models.judging.asking import ask_for
from models.judging.evidence import EvidenceKind
from models.prompts.messages import MessagePrompter, Messages
from models.remote.answers import digit_probabilities, has_logprobs
from models.remote.chat import Chat
from models.remote.likelihood import Likelihoods
from schemas.errors import ModelError, RemoteError, RemoteUnavailable
from schemas.turns import Turn

_RATING_TOKENS = 8
"""Most tokens of the answer to a rating prompt: "Score: 4"."""
_ALTERNATIVES = (20, 5)
"""How many of the most probable tokens are asked for; servers have different limits."""


class RemoteExaminer:
    """Computes the figures of pairs from what a server answers. Belongs to one event loop."""

    def __init__(self, chat: Chat, prompter: MessagePrompter) -> None:
        self.likelihoods = Likelihoods(chat.client, prompter.templates)
        self._name = str(chat.client.address)
        self._chat = chat
        self._prompter = prompter
        self._alternatives: int | None = None

    async def examine(
        self,
        kind: EvidenceKind,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> dict[str, float]:
        """The figures of a kind of evidence, in the order of ``kind.figures``.

        ``priority`` and ``headings`` have no effect. Raises what ``digits`` and
        ``Likelihoods.of_pair`` raise.
        """
        pair = instruction, response, context
        return await ask_for(
            kind,
            lambda: self.likelihoods.of_pair(*pair, turns),
            lambda: self.digits(*pair, turns=turns),
        )

    async def digits(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        turns: Sequence[Turn] = (),
    ) -> DigitProbabilities:
        """The probabilities of the digits in the answer to the rating prompt.

        Raises PromptTooLong, RemoteUnavailable, RemoteError, and ModelError ("unrated") where the
        model writes no digit.
        """
        alternatives = await self.alternatives()
        messages = self._prompter.rating(instruction, response, context, turns)
        found: DigitProbabilities | None = await self._chat.complete(
            messages, _RATING_TOKENS, _options(alternatives), digit_probabilities
        )
        if found is None:
            raise ModelError(f"unrated: {self._name} wrote no digit from 1 to 5")
        return found

    async def alternatives(self) -> int:
        """How many of the most probable tokens the server tells; asked once.

        Raises RemoteUnavailable where it tells none: no record is to blame for that.
        """
        if self._alternatives is None:
            self._alternatives = await self._ask_for_alternatives()
        return self._alternatives

    async def _ask_for_alternatives(self) -> int:
        messages: Messages = [{"role": "user", "content": "Reply with the number 3."}]
        reason = ""
        for count in _ALTERNATIVES:
            try:
                if await self._chat.complete(messages, 1, _options(count), has_logprobs):
                    return count
            except RemoteError as error:
                reason = f" ({error})"
        raise RemoteUnavailable(
            f"{self._name} gives no log-probabilities of chat completions, without which it cannot "
            f"rate{reason}: choose another model for --forward"
        )


def _options(alternatives: int) -> dict[str, object]:
    return {"temperature": 0, "logprobs": True, "top_logprobs": alternatives}
