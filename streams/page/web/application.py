"""The application: its routes, and what is answered where something fails."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from schemas.errors import BackstreamError, BrokerError, NotFound, StoreError
from streams.page.store.store import Store
from streams.page.web import (
    flow_pages,
    item_pages,
    letter_pages,
    rating_pages,
    release_pages,
)
from streams.page.web.acting import Actions
from streams.page.web.events import MOST_LISTENERS, changes
from streams.page.web.guard import LONGEST_NAME, Guard
from streams.page.web.rendering import Renderer
from streams.page.web.sessions import Sessions
from streams.page.web.site import RefusedOf, Site, back, site_of
from streams.settings.address import Address
from streams.settings.page import PageSettings

log = logging.getLogger(__name__)
_WRONG_TOKEN_SECONDS = 1.0


class Application:
    """The routes, with what they need that is not the same for all pages."""

    def __init__(
        self,
        store: Store,
        actions: Actions,
        settings: PageSettings,
        address: Address,
        *,
        person: str = "",
        refused_of: RefusedOf = lambda place: (),
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """``address`` is where it listens, ``person`` who decides where a browser says nothing.

        ``refused_of`` finds what the segmenter refused of a document, which may take seconds.
        Event streams end when ``stopping`` holds.
        """
        self._stopping = stopping
        self._listeners = 0
        self._sessions = Sessions(settings.token)
        self._site = Site(store, actions, Renderer(), person, refused_of)
        inner = Starlette(
            routes=self._routes(),
            exception_handlers={
                BackstreamError: _failed,
                HTTPException: _refused,
                Exception: _broken,
            },
        )
        inner.state.site = self._site
        self.guard = Guard(inner, self._sessions, address, settings.hosts)
        """The application as a server calls it."""

    def _routes(self) -> list[BaseRoute]:
        return [
            *flow_pages.ROUTES,
            *item_pages.ROUTES,
            *rating_pages.ROUTES,
            *release_pages.ROUTES,
            *letter_pages.ROUTES,
            Route("/keys", self._keys),
            Route("/name", self._name, methods=["POST"]),
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/events", self._events),
            Route("/assets/{name}", self._asset),
        ]

    def _keys(self, request: Request) -> Response:
        return self._site.page(request, "keys.jinja")

    def _name(self, request: Request) -> Response:
        form = self._site.visit(request).form
        name = "".join(one for one in form.get("name", "") if one.isprintable()).strip()
        answer = self._site.after(request, "named", back(form.get("back"), "/"))
        answer.headers.append("Set-Cookie", self.guard.name_cookie(name[:LONGEST_NAME]))
        return answer

    async def _login(self, request: Request) -> Response:
        if request.method == "GET":
            return self._site.page(
                request,
                "login.jinja",
                wrong=False,
                back=back(request.query_params.get("back"), "/"),
            )
        form = self._site.visit(request).form
        target = back(form.get("back"), "/")
        if not self._sessions.admits(form.get("token", "")):
            await asyncio.sleep(_WRONG_TOKEN_SECONDS)
            return self._site.page(request, "login.jinja", 403, wrong=True, back=target)
        answer = RedirectResponse(target, 303)
        # A new session: somebody else may know the one from before.
        session = self._sessions.start(admitted=True)
        answer.headers.append("Set-Cookie", self.guard.session_cookie(session))
        return answer

    async def _events(self, request: Request) -> Response:
        if self._listeners >= MOST_LISTENERS:
            return Response("too many pages are open\n", 503, headers={"Retry-After": "30"})
        return StreamingResponse(
            self._changes(),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    async def _changes(self) -> AsyncIterator[bytes]:
        self._listeners += 1
        try:
            async for event in changes(lambda: self._site.store.version, self._stopping):
                yield event
        finally:
            self._listeners -= 1

    def _asset(self, request: Request) -> Response:
        found = self._site.renderer.asset(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return found


def _failed(request: Request, error: Exception) -> Response:
    """What a person can put right, or wait for."""
    if isinstance(error, NotFound):
        status = 404
    elif isinstance(error, (BrokerError, StoreError)):
        status = 503
    else:
        status = 400
    return site_of(request).error(request, status, str(error))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = "there is nothing at this address" if error.status_code == 404 else error.detail
    return site_of(request).error(request, error.status_code, text)


def _broken(request: Request, error: Exception) -> Response:
    log.error("a page failed", exc_info=error)
    return Response("the page failed; its log says why\n", 500)
