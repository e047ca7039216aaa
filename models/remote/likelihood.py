"""Likelihoods of texts from a server that repeats the prompt of a completion with them.

vLLM, SGLang and llama-cpp-python do (``echo`` with ``logprobs``). llama.cpp's own server, Ollama
and most hosted services do not.
"""

import asyncio
import functools
from collections.abc import Sequence

from models.judging.pair_nats import PairNats
from models.judging.shared_scores import SharedScores
from models.prompts.plain_text import END, plain_prompt, plain_text
from models.prompts.prompt import Prompt
from models.prompts.template import Task
from models.prompts.templates import BUILT_IN, Templates
from models.remote.answers import echoed_nats
from models.remote.client import RemoteClient
from models.remote.usage import Tokens
from schemas.errors import (
    ModelError,
    PromptTooLong,
    RemoteError,
    RemoteMissing,
    RemoteUnavailable,
)
from schemas.turns import Turn

_PATH = "/completions"
_TRIAL = "The sky is", " blue."


class Likelihoods:
    """Asks a server how likely texts are. Belongs to one event loop."""

    def __init__(self, client: RemoteClient, templates: Templates = BUILT_IN) -> None:
        self._client = client
        self._templates = templates
        self._alone = SharedScores()

    async def are_given(self) -> bool:
        """Whether the server gives them. Raises RemoteUnavailable."""
        prompt, target = _TRIAL
        try:
            return await self._ask(prompt, target) is not None
        except (RemoteError, RemoteMissing, PromptTooLong):
            return False

    async def of_pair(
        self,
        instruction: str,
        response: str,
        context: str | None,
        turns: Sequence[Turn] = (),
    ) -> PairNats:
        """The likelihoods of a pair's texts given each other and given nothing, after ``turns``.

        Raises PromptTooLong, RemoteError, RemoteUnavailable (also where the server gives no
        likelihoods any more), and ModelError ("unrated") where it gives none of this pair alone.
        """
        prompt = functools.partial(plain_prompt, self._templates, turns=turns)
        forward = prompt(Task.FORWARD, "", context)
        return PairNats(
            *await asyncio.gather(
                self._nats(prompt(Task.FORWARD, instruction, context), response),
                self._alone.get((forward, response), lambda: self._nats(forward, response)),
                self._nats(prompt(Task.BACKWARD, response, context), instruction),
                self._nats(prompt(Task.BACKWARD, "", context), instruction),
            )
        )

    async def of_answer(self, prompt: Prompt, text: str) -> Sequence[float] | None:
        """The likelihoods of a text's tokens after a prompt; None where the server gives none.

        Raises PromptTooLong and RemoteUnavailable.
        """
        try:
            return await self._ask(plain_text(self._templates, prompt), text)
        except (RemoteError, RemoteMissing):
            return None

    async def _nats(self, prompt: str, target: str) -> Sequence[float]:
        try:
            found = await self._ask(prompt, target)
        except RemoteMissing:
            found = None
        if found is not None:
            return found
        if await self.are_given():
            raise ModelError(f"unrated: {self._client.address} gave no likelihoods of this pair")
        raise RemoteUnavailable(
            f"{self._client.address} gives no likelihoods of a prompt any more, which its judge "
            "needs: set scorer.evidence to digits, or another model for --forward"
        )

    async def _ask(self, prompt: str, target: str) -> Sequence[float] | None:
        text = prompt + target + END
        # One token is asked for, because 0 has no limit for some servers.
        body = {
            "model": self._client.address.model,
            "prompt": text,
            "max_tokens": 1,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        }
        most = Tokens(len(text.encode("utf-8", "replace")) + 1, 1)
        start, end = len(prompt), len(prompt) + len(target)
        return await self._client.post(
            _PATH, body, most, lambda answer: echoed_nats(answer, text, start, end)
        )
