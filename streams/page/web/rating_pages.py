"""Rating by keys: one pair after the other, without the model's rating."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from streams.page.store.filters import Filter, Human, Kind, PageRequest
from streams.page.store.views import ItemDetails
from streams.page.web.site import Site, site_of

_BINS = 5
_STEP = 3
"""From one part of the scale to the next, so that neighbours do not follow each other."""
_WIDTH = 4 / _BINS
_LAST = PageRequest(size=40)
_REMEMBERED = 20
"""Pairs that were shown and do not come again at once: what was written is not read yet."""


def rate(request: Request) -> Response:
    """A pair that nobody has rated or decided about; the next one comes after each key."""
    site = site_of(request)
    query = request.query_params
    turn = int(query["turn"][-6:]) if query.get("turn", "").isdecimal() else 0
    passed = [id for id in query.get("passed", "").split(",") if id][-_REMEMBERED:]
    wanted = query.get("id")
    details = site.store.item(wanted) if wanted else _next(site, turn, passed)
    following = "/rate"
    if details is not None:
        seen = [*(id for id in passed if id != details.item.id), details.item.id]
        following = _address(turn + 1, seen)
    return site.page(
        request,
        "rate.jinja",
        details=details,
        following=following,
        last=passed[-1] if passed and not wanted else None,
        again=None if not passed else _address(turn, passed, id=passed[-1]),
    )


def _next(site: Site, turn: int, passed: list[str]) -> ItemDetails | None:
    """A pair of one of five parts of the scale, which take turns."""
    for part in range(_BINS):
        number = (turn * _STEP + part) % _BINS
        low = 1 + number * _WIDTH
        # The upper end belongs to the next part.
        high = 5.0 if number == _BINS - 1 else low + _WIDTH - 1e-6
        filter = Filter(kind=Kind.EXAMPLE, human=Human.NONE, min_score=low, max_score=high)
        for one in site.store.items(filter, _LAST).items:
            if one.id not in passed and (details := site.store.item(one.id)) is not None:
                return details
    return None


def _address(turn: int, passed: list[str], **more: str) -> str:
    return "/rate?" + urlencode({"turn": turn, "passed": ",".join(passed[-_REMEMBERED:]), **more})


ROUTES: tuple[BaseRoute, ...] = (Route("/rate", rate),)
