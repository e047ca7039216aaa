"""The HTTP server: who may post, how much, and what is answered."""

import asyncio
import functools
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import RequestRefused, WireError
from streams.intake.http.bodies import (
    ENCODINGS,
    Batch,
    Labels,
    Limits,
    read_body,
)
from streams.intake.lag_watch import LagWatch
from streams.kafka.writing.encoder import Encoder
from streams.kafka.writing.writer import Writer
from streams.settings import IntakeSettings
from streams.stages.metrics import (
    INTAKE_BYTES,
    INTAKE_DOCUMENTS,
    INTAKE_REQUESTS,
    INTAKE_SECONDS,
    INTAKE_WAITING,
    Metrics,
)

log = logging.getLogger(__name__)
WAY = "http"
"""Names this way in, in the metrics."""
_QUERY = ("source", "title", "context", "text_column")
_MOST_CONNECTIONS = 512
_FIRST_REQUEST_SECONDS = 20.0
"""A connection that has not sent the head of a request by then is closed."""
_IDLE_SECONDS = 75.0
_BUSY_SECONDS = 1
_AWAY_SECONDS = 5
"""What ``Retry-After`` says where the broker is away."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Intake:
    """The routes. ``writer`` and ``lag`` are open for as long as requests come."""

    def __init__(
        self, settings: IntakeSettings, writer: Writer, lag: LagWatch, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._limits = Limits(settings.max_bytes, settings.max_documents)
        token = settings.token
        self._token = None if token is None else _digest(token.get_secret_value())
        self._writer = writer
        self._lag = lag
        self._metrics = metrics
        self._encode = Encoder()
        self._in_flight = 0
        self.silent: set[object] = set()
        """Connections that have not sent the head of a request yet."""
        self.stopping = False
        """Whether no further request is accepted."""

    @property
    def not_ready(self) -> str | None:
        """Why nothing can be accepted, or None. A lag that is too large is no such reason."""
        if self.stopping:
            return "the intake is stopping"
        return self._writer.unavailable or self._lag.unknown

    def application(self) -> web.Application:
        """The application that answers the requests."""
        application = web.Application(middlewares=[self._answered])
        application.router.add_post("/documents", self._post, expect_handler=self._expected)
        application.router.add_get("/live", self._live)
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/metrics", self._page)
        return application

    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count each answer, and give errors a body of JSON."""
        began = time.monotonic()
        self.silent.discard(request.protocol)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            names = {str(hdrs.ALLOW)} & set(error.headers)
            allow = {name: error.headers[name] for name in names}
            response = _refusal(error.status, error.reason, headers=allow)
        except Exception:
            log.exception("a request failed")
            response = _refusal(500, "the intake failed; its log says why")
        response.headers[hdrs.SERVER] = "backstream"
        if request.path == "/documents":
            self._count(response.status)
            self._metrics.histogram(INTAKE_SECONDS, way=WAY).observe(time.monotonic() - began)
        return response

    async def _expected(self, request: web.Request) -> web.StreamResponse | None:
        """Answer ``Expect: 100-continue`` before the body is sent."""
        early = self._early(request)
        if early is not None:
            self._count(early.status)
            return early
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
        return None

    async def _post(self, request: web.Request) -> web.StreamResponse:
        early = self._early(request)
        if early is not None:
            return early
        self._in_flight += 1
        try:
            return await self._accepted(request)
        except RequestRefused as refused:
            headers = {"Accept-Encoding": ", ".join(ENCODINGS)} if refused.status == 415 else {}
            self._metrics.counter(INTAKE_DOCUMENTS, way=WAY, outcome="refused").inc(
                max(1, refused.documents)
            )
            return _refusal(refused.status, refused.reason, refused.errors, headers=headers)
        finally:
            self._in_flight -= 1

    async def _accepted(self, request: web.Request) -> web.StreamResponse:
        """Read, write, and answer once the broker has acknowledged everything."""
        seconds = self._settings.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await self._body(request)
        except TimeoutError:
            return _refusal(408, f"the body did not come within {seconds:g} s", close=True)
        except (ClientPayloadError, ConnectionError, web.RequestPayloadError) as error:
            raise RequestRefused(400, f"the body cannot be read: {error}") from error
        read = functools.partial(
            read_body,
            body,
            request.headers.get(hdrs.CONTENT_TYPE, ""),
            request.headers.get(hdrs.CONTENT_ENCODING, ""),
            _labels(request.query),
            self._limits,
        )
        batch = await asyncio.to_thread(read)
        try:
            async with asyncio.timeout(seconds):
                await self._write(batch)
        except TimeoutError:
            reason = self._writer.unavailable or "it is slow"
            return _refusal(
                503,
                f"the broker has not acknowledged the documents within {seconds:g} s ({reason}). "
                "They may be written later. Post them again: their ids are the same",
                retry=_AWAY_SECONDS,
            )
        except WireError as error:
            raise RequestRefused(413, str(error)) from error
        self._metrics.counter(INTAKE_DOCUMENTS, way=WAY, outcome="acknowledged").inc(
            len(batch.documents)
        )
        self._metrics.counter(INTAKE_BYTES, way=WAY).inc(len(body))
        answer: dict[str, Any] = {
            "accepted": len(batch.documents),
            "ids": [document.id for document in batch.documents],
        }
        if batch.replaced:
            answer["replaced_characters"] = batch.replaced
        if batch.warnings:
            answer["warnings"] = batch.warnings
        return web.json_response(answer, status=202)

    async def _write(self, batch: Batch) -> None:
        messages = [self._encode(document) for document in batch.documents]
        self._lag.add(len(messages))
        await asyncio.gather(*[await self._writer.send(message) for message in messages])

    async def _body(self, request: web.Request) -> bytes:
        parts, size = [], 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > self._limits.bytes:
                raise RequestRefused(413, self._too_large())
            parts.append(part)
        return b"".join(parts)

    def _early(self, request: web.Request) -> web.Response | None:
        """The answer to a request that is refused by its head, or None."""
        if (refused := self._unauthorized(request)) is not None:
            return refused
        if self.not_ready is not None:
            return _refusal(503, self.not_ready, retry=_AWAY_SECONDS, close=True)
        if unknown := set(request.query) - set(_QUERY):
            names = ", ".join(sorted(unknown))[:200]
            return _refusal(400, f"the query has {names}; known are {', '.join(_QUERY)}")
        if (request.content_length or 0) > self._limits.bytes:
            return _refusal(413, self._too_large(), close=True)
        if self._in_flight >= self._settings.in_flight:
            reason = f"{self._in_flight} requests are in flight"
            return _refusal(429, reason, retry=_BUSY_SECONDS)
        if (wait := self._lag.wait_seconds()) is not None:
            reason = f"{self._lag.lag:,} documents wait for the segmenter"
            return _refusal(429, reason, retry=wait)
        return None

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        if self._token is None:
            # Without a token a web page could have its reader's browser post from this machine.
            if hdrs.ORIGIN in request.headers:
                return _refusal(403, "requests of web pages need a token: set intake.token")
            return None
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(_digest(given.strip()), self._token):
            return None
        return _refusal(
            401,
            "the request needs the header Authorization: Bearer TOKEN, with the token of the "
            "setting intake.token",
            headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="backstream"'},
            close=True,
        )

    def _too_large(self) -> str:
        return f"the body has more than {self._limits.bytes:,} bytes: send several"

    def _count(self, status: int) -> None:
        self._metrics.counter(INTAKE_REQUESTS, status=str(status)).inc()

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        reason = self.not_ready
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def _page(self, request: web.Request) -> web.Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        self._metrics.gauge(INTAKE_WAITING).set(self._lag.lag)
        page = generate_latest(self._metrics.registry)
        return web.Response(body=page, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})


class Connections:
    """Makes the protocols of accepted connections, a bounded number of them.

    A connection beyond it is closed at once, and one that sends no request in time is closed then.
    """

    def __init__(self, server: web.Server, intake: Intake) -> None:
        self._server = server
        self._intake = intake

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        handler = self._server()
        loop = asyncio.get_running_loop()
        if len(self._server.connections) >= _MOST_CONNECTIONS:
            loop.call_later(0, _abort, handler)  # after its transport is there
        else:
            self._intake.silent.add(handler)
            loop.call_later(_FIRST_REQUEST_SECONDS, self._check, handler)
        return handler

    def _check(self, handler: web.RequestHandler) -> None:
        if handler in self._intake.silent:
            self._intake.silent.discard(handler)
            _abort(handler)


def runner_of(intake: Intake) -> web.AppRunner:
    """What runs the application. Bodies come as they were sent, so that their size is bounded."""
    return web.AppRunner(
        intake.application(),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=_IDLE_SECONDS,
        logger=_RequestLog(log),
    )


class _RequestLog(logging.LoggerAdapter[logging.Logger]):
    """Log of the server, in which a request that is no HTTP is one line at INFO.

    Whoever connects can send such requests, and could fill the log.
    """

    def log(
        self, level: int, msg: object, *args: object, exc_info: Any = None, **others: Any
    ) -> None:
        """Log a message with its traceback, where the fault is not the client's."""
        if isinstance(exc_info, HttpProcessingError):
            reason = exc_info.message.partition("\n")[0]
            self.logger.info(f"{msg}: %s", *args, reason)
        else:
            super().log(level, msg, *args, exc_info=exc_info, **others)


def _abort(handler: web.RequestHandler) -> None:
    if handler.transport is not None:
        handler.transport.abort()


def _labels(query: Mapping[str, str]) -> Labels:
    return Labels(
        query.get("source", ""), query.get("title"), query.get("context"), query.get("text_column")
    )


def _refusal(
    status: int,
    reason: str,
    errors: Any = (),
    *,
    retry: int | None = None,
    headers: Mapping[str, str] | None = None,
    close: bool = False,
) -> web.Response:
    answer: dict[str, Any] = {"error": reason}
    if errors:
        answer["errors"] = list(errors)
    all_headers = dict(headers or {})
    if retry is not None:
        all_headers[hdrs.RETRY_AFTER] = str(retry)
    response = web.json_response(answer, status=status, headers=all_headers)
    if close:
        response.force_close()
    return response


def _digest(token: str) -> bytes:
    """A token of any length as one of a fixed length, to compare in constant time."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
