"""Sends requests to an OpenAI-compatible server: bounded, repeated, charged to a budget."""

import asyncio
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from models.remote.address import RemoteAddress
from models.remote.answers import used_tokens
from models.remote.refusals import refusal_of
from models.remote.usage import Account, Tokens
from schemas.errors import BackstreamError, RemoteError, RemoteUnavailable

_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_PATIENCE = 30.0
"""Longest pause of a server that a request waits for. A longer one is an error that names it, so
that the stage can say for how long it waits.
"""
_CONNECT_SECONDS = 10.0
_LARGEST_ANSWER = 64 * 1024 * 1024
_ANSWERED, _FAILED, _LOST = "answered", "failed", "lost"
OUTCOMES = (_ANSWERED, "busy", _FAILED, "refused", _LOST)
"""What becomes of a request that was sent. ``busy``: the server asks to come again. ``failed``: it
cannot be reached, or its answer is an error or cannot be used. ``refused``: it does not take the
request. ``lost``: the answer did not come, or not in time.
"""

Observer = Callable[[str, Tokens], None]
"""Gets the outcome of each request, one of OUTCOMES, and the tokens of its answer."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How a role uses its server."""

    in_flight: int = 16
    """Most requests at a time."""
    timeout_seconds: float = 300.0
    """Longest duration of a request."""
    retries: int = 4
    """Repetitions of a request that failed, before the caller gets the error."""


class _Passing(Exception):
    """A request failed for a reason that may pass. ``error`` is what to raise where it does not."""

    def __init__(self, error: BackstreamError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait
        """Seconds that the server asks to wait."""


@dataclass(slots=True)
class _Request:
    """A request on its way."""

    path: str
    body: Mapping[str, Any]
    most: Tokens
    read: Callable[[Any], Any]
    outcome: str = _LOST
    used: Tokens = field(default_factory=lambda: Tokens(0, 0))


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

    async def post(
        self, path: str, body: Mapping[str, Any], most: Tokens, read: Callable[[Any], Any]
    ) -> Any:
        """Send a request; return what ``read`` makes of the answer, which may raise RemoteError.

        ``most`` is the most that it can use. What may pass is tried again after growing pauses, and
        not before the time of the server's Retry-After, which holds for all requests. Raises
        RemoteUnavailable where the server cannot be used (BudgetSpent where the budget has no
        room), PromptTooLong where the prompt is too long for the model, RemoteError where the
        server refuses this request or its answer cannot be used.
        """
        failures = 0
        while True:
            async with self._places:
                await self._wait_until_resumed()
                try:
                    return await self._attempt(_Request(path, body, most, read))
                except _Passing as passing:
                    failures += 1
                    if passing.wait is not None:
                        resumes = asyncio.get_running_loop().time() + passing.wait
                        self._resumes = max(self._resumes, resumes)
                    if failures > self._options.retries:
                        raise passing.error from passing.__cause__
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

    async def _attempt(self, request: _Request) -> Any:
        """Send a request once, and keep the account."""
        self._account.charge(request.most)
        try:
            status, headers, body = await self._exchange(request)
            if status != 200:
                refusal = refusal_of(status, headers, self._without_key(body), str(self.address))
                request.outcome = refusal.outcome
                self._account.give_back(request.most)
                if refusal.passing:
                    raise _Passing(refusal.error, refusal.wait)
                raise refusal.error
            request.outcome = _FAILED
            found = self._read(request, body)
            request.outcome = _ANSWERED
            return found
        finally:
            self._observe(request.outcome, request.used)

    def _read(self, request: _Request, body: bytes) -> Any:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:  # what it used is not known: it stays charged
            raise self._failed("gave an answer that is not JSON") from error
        request.used = used_tokens(answer) or request.most
        self._account.settle(request.most, request.used)
        try:
            return request.read(answer)
        except RemoteError as error:
            raise self._failed(f"gave an answer {error}") from error

    async def _exchange(self, request: _Request) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request and receive the whole answer: status, headers, body."""
        try:
            return await self._send(request.path, request.body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            request.outcome = _FAILED
            self._account.give_back(request.most)
            reason = getattr(error, "strerror", None) or error
            raise self._unreachable(f"cannot be reached: {reason}") from error
        except TimeoutError as error:
            seconds = f"{self._options.timeout_seconds:g} s (remote.timeout_seconds)"
            raise self._unreachable(f"gave no answer in {seconds}") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise self._unreachable(f"ended the connection: {reason}") from error

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

    def _unreachable(self, what: str) -> _Passing:
        return _Passing(RemoteUnavailable(f"{self.address} {what}"))

    def _failed(self, what: str) -> _Passing:
        return _Passing(RemoteError(f"{self.address} {what}"))

    def _without_key(self, body: bytes) -> bytes:
        return body.replace(self._key.encode(), b"***") if self._key else body
