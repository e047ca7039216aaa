"""Sends requests to an OpenAI-compatible server: bounded, repeated, charged to a budget."""

import asyncio
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import aiohttp

from models.remote.address import RemoteAddress
from models.remote.answers import used_tokens
from models.remote.refusals import ANSWERED, FAILED, LOST, Refusal, refusal_of
from models.remote.usage import Account, Tokens
from schemas.errors import RemoteError, RemoteUnavailable

_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_PATIENCE = 30.0
"""Longest pause of a server that a request waits for. A longer one is an error that names it, so
that the stage can say for how long it waits.
"""
_CONNECT_SECONDS = 10.0
_LARGEST_ANSWER = 64 * 1024 * 1024
Observer = Callable[[str, Tokens], None]
"""Gets the outcome of each request (``refusals.py``), and the tokens of its answer."""
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How a role uses its server."""

    in_flight: int = 16
    """Most requests at a time."""
    timeout_seconds: float = 300.0
    """Longest duration of a request."""
    retries: int = 4
    """Repetitions of a request that failed, before the caller gets the error."""
    longest_seconds: float = 900.0
    """Longest duration of a request with its repetitions and its wait for a place."""


@dataclass(frozen=True, slots=True)
class _Answer(Generic[R]):
    """What was read from an answer, and the tokens that it took."""

    found: R
    used: Tokens


class RemoteClient:
    """The requests of one role to its server. Belongs to one event loop."""

    def __init__(
        self,
        address: RemoteAddress,
        key: str | None,
        account: Account,
        options: RequestOptions | None = None,
        observe: Observer = lambda outcome, tokens: None,
    ) -> None:
        """``key`` is sent as a bearer token."""
        self.address = address
        self._key = key
        self._account = account
        self._options = options or RequestOptions()
        self._observe = observe
        self._places = asyncio.Semaphore(self._options.in_flight)
        self._session: aiohttp.ClientSession | None = None
        self._resumes = -math.inf
        """When requests may be sent again, by the clock of the event loop."""

    @property
    def in_flight(self) -> int:
        """Most requests at a time."""
        return self._options.in_flight

    async def post(
        self, path: str, body: Mapping[str, Any], most: Tokens, read: Callable[[Any], R]
    ) -> R:
        """Send a request; return what ``read`` makes of the answer, which may raise RemoteError.

        ``most`` is the most that it can use. What may pass is tried again after growing pauses, and
        not before the time of the server's Retry-After, which holds for all requests. Raises
        RemoteUnavailable where the server cannot be used (BudgetSpent where the budget has no
        room), PromptTooLong where the prompt is too long for the model, RemoteError where the
        server refuses this request or its answer cannot be used.
        """
        longest = self._options.longest_seconds
        try:
            async with asyncio.timeout(longest):
                return await self._post(path, body, most, read)
        except TimeoutError as error:
            raise RemoteUnavailable(
                f"{self.address} is too slow: no answer in {longest:g} s, the wait for one of "
                f"{self._options.in_flight} places (remote.in_flight) included"
            ) from error

    async def _post(
        self, path: str, body: Mapping[str, Any], most: Tokens, read: Callable[[Any], R]
    ) -> R:
        failures = 0
        while True:
            async with self._places:
                await self._wait_until_resumed()
                result = await self._attempt(path, body, most, read)
            if isinstance(result, _Answer):
                return result.found
            failures += 1
            if result.wait is not None:
                resumes = asyncio.get_running_loop().time() + result.wait
                self._resumes = max(self._resumes, resumes)
            if not result.passing or failures > self._options.retries:
                raise result.error
            pause = min(_SHORTEST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def aclose(self) -> None:
        """Close the connections and the account. A later request opens them again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._account.close()

    async def _wait_until_resumed(self) -> None:
        """Wait as the server has asked for. Raises RemoteUnavailable where that is too long."""
        loop = asyncio.get_running_loop()
        while (seconds := self._resumes - loop.time()) > 0:
            if seconds > _PATIENCE:
                raise RemoteUnavailable(f"{self.address} asks to wait {seconds:.0f} s more")
            await asyncio.sleep(seconds)

    async def _attempt(
        self, path: str, body: Mapping[str, Any], most: Tokens, read: Callable[[Any], R]
    ) -> _Answer[R] | Refusal:
        """Send a request once, and keep the account."""
        self._account.charge(most)
        outcome, used = LOST, Tokens(0, 0)
        try:
            try:
                status, headers, content = await self._send(path, body)
            except (aiohttp.ClientError, OSError) as error:
                result: _Answer[R] | Refusal = self._unanswered(error)
            else:
                if status == HTTPStatus.OK:
                    result = self._read(content, most, read)
                else:
                    shown = self._without_key(content)
                    result = refusal_of(status, headers, shown, str(self.address))
            if isinstance(result, _Answer):
                outcome, used = ANSWERED, result.used
            else:
                outcome = result.outcome
                if not result.charged:
                    self._account.give_back(most)
            return result
        finally:
            self._observe(outcome, used)

    def _read(self, content: bytes, most: Tokens, read: Callable[[Any], R]) -> _Answer[R] | Refusal:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):  # what it used is not known
            error = RemoteError(f"{self.address} gave an answer that is not JSON")
            return Refusal(error, FAILED, passing=True, charged=True)
        used = used_tokens(answer) or most
        self._account.settle(most, used)
        try:
            return _Answer(read(answer), used)
        except RemoteError as error:
            unusable = RemoteError(f"{self.address} gave an answer {error}")
            return Refusal(unusable, FAILED, passing=True, charged=True)

    def _unanswered(self, error: Exception) -> Refusal:
        """What follows where no whole answer came."""
        outcome, charged = LOST, True
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            outcome, charged = FAILED, False
            says = f"cannot be reached: {getattr(error, 'strerror', None) or error}"
        elif isinstance(error, TimeoutError):
            seconds = self._options.timeout_seconds
            says = f"gave no answer in {seconds:g} s (remote.timeout_seconds)"
        else:
            says = f"ended the connection: {error or type(error).__name__}"
        unavailable = RemoteUnavailable(f"{self.address} {says}")
        return Refusal(unavailable, outcome, passing=True, charged=charged)

    async def _send(
        self, path: str, body: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=self._options.timeout_seconds, sock_connect=_CONNECT_SECONDS
                ),
                connector=aiohttp.TCPConnector(limit=self._options.in_flight),
                trust_env=not self.address.is_loopback,
            )
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        async with self._session.post(
            self.address.url + path, json=body, headers=headers, allow_redirects=False
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > _LARGEST_ANSWER:
                    raise aiohttp.ClientPayloadError("its answer is larger than 64 MiB")
            return response.status, response.headers, bytes(content)

    def _without_key(self, body: bytes) -> bytes:
        return body.replace(self._key.encode(), b"***") if self._key else body
