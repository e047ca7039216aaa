"""Chat completions of a remote model: what is asked, and what it may use."""

from collections.abc import Callable, Mapping
from typing import Any

from models.prompts.messages import Messages
from models.remote.client import RemoteClient
from models.remote.usage import Tokens
from schemas.errors import RemoteError

PATH = "/chat/completions"
_MESSAGE_TOKENS = 16
"""Most tokens that a chat template adds to a message."""
_TEMPLATE_TOKENS = 128
"""Most tokens that it adds beside them, such as a system prompt of its own."""
_LIMIT, _OTHER_LIMIT = "max_tokens", "max_completion_tokens"


class Chat:
    """Asks a server for chat completions."""

    def __init__(self, client: RemoteClient) -> None:
        self.client = client
        self._limit = _LIMIT

    async def complete(
        self,
        messages: Messages,
        max_tokens: int,
        options: Mapping[str, Any],
        read: Callable[[Any], Any],
    ) -> Any:
        """What ``read`` makes of the answer. Raises what ``RemoteClient.post`` raises.

        Some models refuse ``max_tokens`` and want ``max_completion_tokens``; their error says so.
        """
        body = {"model": self.client.address.model, "messages": messages, "stream": False}
        body |= options
        most = most_tokens(messages, max_tokens)
        limit = self._limit
        try:
            return await self.client.post(PATH, {**body, limit: max_tokens}, most, read)
        except RemoteError as error:
            if limit == _OTHER_LIMIT or _OTHER_LIMIT not in str(error):
                raise
        self._limit = _OTHER_LIMIT
        return await self.client.post(PATH, {**body, _OTHER_LIMIT: max_tokens}, most, read)


def most_tokens(messages: Messages, max_tokens: int) -> Tokens:
    """The most that a completion can use: a token has at least a byte."""
    prompt = sum(len(each["content"].encode("utf-8", "replace")) for each in messages)
    return Tokens(prompt + _MESSAGE_TOKENS * len(messages) + _TEMPLATE_TOKENS, max_tokens)
