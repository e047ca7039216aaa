"""Dead letters: the list, one of them, and sending them back."""

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from schemas.errors import NotFound
from streams.kafka.writing.sending_back import SentBack
from streams.page.store.filters import PageRequest
from streams.page.web.query import PAGE_SIZE
from streams.page.web.site import Site, site_of


def letters(request: Request) -> Response:
    """The list, the newest first."""
    site = site_of(request)
    stage = request.query_params.get("stage") or None
    page = PageRequest(PAGE_SIZE, request.query_params.get("after") or None)
    return site.page(
        request,
        "letters.jinja",
        found=site.store.letters(page, stage),
        stage=stage,
        outcome=_outcome(site, request),
    )


def total_part(request: Request) -> Response:
    """How many there are now, beside what is shown."""
    site = site_of(request)
    stage = request.query_params.get("stage") or None
    return site.page(
        request,
        "parts/letters_total.jinja",
        total=site.store.letters(PageRequest(size=1), stage).total,
        stage=stage,
        shown=request.query_params.get("shown", ""),
    )


def letter(request: Request) -> Response:
    """One dead letter."""
    site = site_of(request)
    at = request.path_params["at"]
    found = site.store.letter(at)
    if found is None:
        raise NotFound(f"no dead letter is at {at}")
    return site.page(request, "letter.jinja", details=found, outcome=_outcome(site, request))


def replay(request: Request) -> Response:
    """Send one back."""
    site = site_of(request)
    at = request.path_params["at"]
    return _shown(f"/letters/{quote(at)}", outcome=site.outcomes.add(site.actions.replay(at)))


def replay_all(request: Request) -> Response:
    """Send all of them back, or those of a stage."""
    site = site_of(request)
    stage = site.visit(request).form.get("stage") or None
    outcome = site.outcomes.add(site.actions.replay_all(stage))
    return _shown("/letters", **({"stage": stage} if stage else {}), outcome=outcome)


def _shown(path: str, **query: str) -> Response:
    """A redirect, so that loading the answer again does not send again."""
    return RedirectResponse(f"{path}?{urlencode(query)}", 303)


def _outcome(site: Site, request: Request) -> SentBack | None:
    return site.outcomes.get(request.query_params.get("outcome", ""))


ROUTES: tuple[BaseRoute, ...] = (
    Route("/letters", letters),
    Route("/parts/letters", total_part),
    Route("/letters/replay", replay_all, methods=["POST"]),
    Route("/letters/{at}", letter),
    Route("/letters/{at}/replay", replay, methods=["POST"]),
)
