"""Rating by keys: one pair after the other, without the model's rating."""

import hashlib
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from streams.page.store.filters import Filter, Human, Kind, PageRequest
from streams.page.store.item_views import ItemDetails
from streams.page.web.site import Site, site_of

_BINS = 5
_STEP = 3
"""From one part of the scale to the next, so that neighbours do not follow each other."""
_WIDTH = 4 / _BINS
_LAST = PageRequest(size=40)
_REMEMBERED = 20
"""Pairs that were shown and do not come again at once: what was written is not read yet."""
_DIGEST_CHARACTERS = 12
"""Of the ids of such pairs. An address of whole ids may be longer than a server accepts."""


def rate(request: Request) -> Response:
    """A pair that nobody has rated or decided about; the next one comes after each key."""
    site = site_of(request)
    query = request.query_params
    turn = int(query["turn"][-6:]) if query.get("turn", "").isdecimal() else 0
    passed = [one for one in query.get("passed", "").split(",") if one][-_REMEMBERED:]
    wanted, before = query.get("id"), query.get("before", "")
    details = site.item(wanted) if wanted else _next(site, turn, passed)
    here = following = "/rate"
    if details is not None:
        shown = _digest(details.item.id)
        seen = [*(one for one in passed if one != shown), shown]
        following = _address(turn + 1, seen, before=details.item.id)
        here = _address(turn, passed, id=details.item.id)
    return site.page(
        request,
        "rate.jinja",
        details=details,
        threshold=site.actions.threshold,
        here=here,
        following=following,
        again=_address(turn, passed, id=before) if before and not wanted else None,
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
            if _digest(one.id) not in passed and (details := site.store.item(one.id)) is not None:
                return details
    return None


def _address(turn: int, passed: list[str], **more: str) -> str:
    return "/rate?" + urlencode({"turn": turn, "passed": ",".join(passed[-_REMEMBERED:]), **more})


def _digest(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()[:_DIGEST_CHARACTERS]


ROUTES: tuple[BaseRoute, ...] = (Route("/rate", rate),)
