"""Dead letters: the list, one of them, and sending them back."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from schemas.errors import NotFound
from streams.kafka.writing.sending_back import SentBack
from streams.page.store.filters import PageRequest
from streams.page.web.query import PAGE_SIZE
from streams.page.web.site import Site, site_of


def letters(request: Request) -> Response:
    """The list, the newest first."""
    return _list(site_of(request), request, None)


def letter(request: Request) -> Response:
    """One dead letter."""
    return _one(site_of(request), request, None)


def replay(request: Request) -> Response:
    """Send one back."""
    site = site_of(request)
    return _one(site, request, site.actions.replay(request.path_params["at"]))


def replay_all(request: Request) -> Response:
    """Send all of them back, or those of a stage."""
    site = site_of(request)
    stage = site.visit(request).form.get("stage") or None
    return _list(site, request, site.actions.replay_all(stage))


def _list(site: Site, request: Request, outcome: SentBack | None) -> Response:
    stage = request.query_params.get("stage") or site.visit(request).form.get("stage") or None
    page = PageRequest(PAGE_SIZE, request.query_params.get("after") or None)
    return site.page(
        request,
        "letters.jinja",
        found=site.store.letters(page, stage),
        stage=stage,
        outcome=outcome,
    )


def _one(site: Site, request: Request, outcome: SentBack | None) -> Response:
    at = request.path_params["at"]
    found = site.store.letter(at)
    if found is None:
        raise NotFound(f"no dead letter is at {at}")
    return site.page(request, "letter.jinja", details=found, outcome=outcome)


ROUTES: tuple[BaseRoute, ...] = (
    Route("/letters", letters),
    Route("/letters/replay", replay_all, methods=["POST"]),
    Route("/letters/{at}", letter),
    Route("/letters/{at}/replay", replay, methods=["POST"]),
)
