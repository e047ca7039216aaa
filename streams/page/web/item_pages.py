"""Items: the list with its filters, one of them with its provenance, and decisions about it."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from schemas.errors import NotFound, QueryError
from streams.data.judging import Undone
from streams.page.store.filters import Human, Kind, Order, PageRequest, Verdict
from streams.page.store.item_views import ItemDetails
from streams.page.web.editing import read_edit, state_mark
from streams.page.web.query import address, item_address, read_query
from streams.page.web.site import CHANGED, NOTHING, Site, back, site_of

_ONE = PageRequest(size=1)
_PARTS = ("verdict", "actions", "editor", "people", "said", "texts")


def items(request: Request) -> Response:
    """The list."""
    site = site_of(request)
    filter, page = read_query(request.query_params)
    found = site.store.items(filter, page)
    return site.page(
        request,
        "items.jinja",
        filter=filter,
        order=page.order,
        first=page.after is None,
        found=found,
        unsearched=site.store.unsearched(filter),
        facets=site.store.facets(),
        reasons=site.store.reasons(),
        verdicts=tuple(Verdict),
        kinds=tuple(Kind),
        humans=tuple(Human),
        orders=tuple(Order),
        following=address(filter, page.order, found.next) if found.next else None,
        beginning=address(filter, page.order),
    )


def total_part(request: Request) -> Response:
    """How many items there are now, beside what is shown."""
    site = site_of(request)
    filter, page = read_query(request.query_params)
    total = site.store.items(filter, _ONE).total
    return site.page(
        request,
        "parts/total.jinja",
        total=total,
        unsearched=site.store.unsearched(filter),
        shown=request.query_params.get("shown", ""),
        beginning=address(filter, page.order),
    )


def item(request: Request) -> Response:
    """One item."""
    site = site_of(request)
    found = _found(site, request)
    return site.page(
        request,
        "item.jinja",
        details=found,
        passage_parts=_around(found),
        **_ways(request, found),
    )


def item_part(request: Request) -> Response:
    """A part of an item, as it is now."""
    site = site_of(request)
    part = request.path_params["part"]
    if part not in _PARTS:
        raise NotFound(f"no item has a part that is called {part}")
    found = _found(site, request)
    return site.page(request, f"parts/item_{part}.jinja", details=found, **_ways(request, found))


def _ways(request: Request, details: ItemDetails) -> dict[str, Any]:
    """Where the page of an item leads back to, and its own address."""
    target, id = back(request.query_params.get("back"), "/items"), details.item.id
    return {
        "back": target,
        "here": item_address(id) if target == "/items" else item_address(id, back=target),
    }


def passages(request: Request) -> Response:
    """What the segmenter refused, as a page. Its document is cut again."""
    return _passages(request, "passages.jinja")


def passages_part(request: Request) -> Response:
    """The same as a part of the item's page."""
    return _passages(request, "parts/passages.jinja")


def _passages(request: Request, template: str) -> Response:
    site = site_of(request)
    details = _found(site, request)
    refused = () if details.document is None else site.refused_of(details.document)
    return site.page(
        request,
        template,
        details=details,
        passages=tuple(one for one in refused if one.id == details.item.id),
    )


def act(request: Request) -> Response:
    """A decision or a rating by a person, but for edits."""
    site = site_of(request)
    action = request.path_params["action"]
    if action not in _DOERS:
        raise NotFound(f"nothing can be done that is called {action}")
    details = _found(site, request)
    if action in ("drop", "accept", "rate"):
        _check_decidable(details)
    if action in ("rate", "take-back") and details.item.kind is not Kind.EXAMPLE:
        raise QueryError(f"{details.item.id} is no pair, and so cannot be rated")
    form = dict(site.visit(request).form)
    if _is_stale(form, details):
        return site.after(request, CHANGED, back(form.get("here"), item_address(details.item.id)))
    done = _DOERS[action](site, details, site.name(request), form)
    return _after(site, request, details, done)


def edit(request: Request) -> Response:
    """An edit by a person. Where somebody else changed the same texts, both are shown instead."""
    site = site_of(request)
    details = _found(site, request)
    _check_decidable(details)
    assert details.editable is not None
    form = site.visit(request).form
    asked = read_edit(form, details.editable)
    dropped = details.item.decision == "drop" and _is_stale(form, details)
    if asked.conflicts or dropped:
        return site.page(
            request,
            "conflict.jinja",
            409,
            details=details,
            edit=asked,
            dropped=dropped,
            target=back(form.get("back"), item_address(details.item.id)),
        )
    site.actions.edit(
        details,
        site.name(request),
        instruction=asked.changed.get("instruction"),
        context=asked.changed.get("context"),
        response=asked.changed.get("response"),
    )
    return _after(site, request, details, "edited")


def _is_stale(form: Mapping[str, str], details: ItemDetails) -> bool:
    """Whether people have said something since the form was made. ``seen`` is what it shows."""
    now = state_mark(details.item)
    return form.get("seen", now) != now


def _check_decidable(details: ItemDetails) -> None:
    if details.pair is None:
        raise QueryError(
            f"{details.item.id} cannot be decided about here: it has no rating of a model, and so "
            "is no pair that the stream can keep or leave out"
        )


def _after(site: Site, request: Request, details: ItemDetails, done: str) -> Response:
    id, before = details.item.id, _said(details)
    if done != NOTHING:
        site.wait(lambda: _changed(site, id, before))
    return site.after(request, done, back(site.visit(request).form.get("back"), item_address(id)))


def _rate(site: Site, details: ItemDetails, by: str, form: dict[str, str]) -> str:
    score = form.get("score", "")
    if score not in ("1", "2", "3", "4", "5"):
        raise QueryError(f"the rating is {score!r}, and can be 1 to 5")
    site.actions.rate(details, int(score), by)
    return "rated"


def _take_back(site: Site, details: ItemDetails, by: str, form: dict[str, str]) -> str:
    return "taken-back" if site.actions.take_back(details.item.id, by) else NOTHING


def _drop(site: Site, details: ItemDetails, by: str, form: dict[str, str]) -> str:
    site.actions.drop(details, by)
    return "dropped"


def _accept(site: Site, details: ItemDetails, by: str, form: dict[str, str]) -> str:
    site.actions.accept(details, by)
    return "accepted"


def _undo(site: Site, details: ItemDetails, by: str, form: dict[str, str]) -> str:
    return _UNDONE[site.actions.undo(details.item.id, by)]


_UNDONE = {Undone.RATING: "taken-back", Undone.DECISION: "undone", Undone.NOTHING: NOTHING}
_DOERS: dict[str, Callable[[Site, ItemDetails, str, dict[str, str]], str]] = {
    "rate": _rate,
    "take-back": _take_back,
    "drop": _drop,
    "accept": _accept,
    "undo": _undo,
}


def _found(site: Site, request: Request) -> ItemDetails:
    id = request.query_params.get("id", "")
    if not id:
        raise NotFound("no item is named: the address ends with ?id= and the id of an item")
    return site.item(id)


def _said(details: ItemDetails) -> tuple[Any, ...]:
    return details.decision, details.human, details.item


def _changed(site: Site, id: str, before: tuple[Any, ...]) -> bool:
    found = site.store.item(id)
    return found is None or _said(found) != before


def _around(details: ItemDetails) -> tuple[str, str, str] | None:
    """The passage before, in and after the response. None where it is not a part of it."""
    if details.passage is None or not details.response:
        return None
    before, found, after = details.passage.text.partition(details.response)
    return (before, found, after) if found and (before or after) else None


ROUTES: tuple[BaseRoute, ...] = (
    Route("/items", items),
    Route("/parts/total", total_part),
    Route("/item", item),
    Route("/parts/item/{part}", item_part),
    Route("/item/passages", passages),
    Route("/parts/passages", passages_part),
    Route("/item/edit", edit, methods=["POST"]),
    Route("/item/{action}", act, methods=["POST"]),
)
