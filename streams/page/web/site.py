"""What the handlers of all pages share."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from schemas.errors import NotFound
from streams.page.store.item_views import DocumentPlace, ItemDetails, RefusedPassage
from streams.page.store.store import Store
from streams.page.web.acting import Actions
from streams.page.web.guard import Visit
from streams.page.web.outcomes import Outcomes
from streams.page.web.rendering import Renderer

_WAIT_SECONDS = 2.0
_LOOK_SECONDS = 0.05

RefusedOf = Callable[[DocumentPlace], tuple[RefusedPassage, ...]]
"""What the segmenter refused of a document."""
NOTHING = "nothing"
CHANGED = "changed"
DONE = {
    "rated": "Rated.",
    "taken-back": "The rating is taken back: the model's rating and the rules count again.",
    "dropped": "Dropped: it is leaving the curated set, and stays out.",
    "accepted": "Accepted: it stays, whatever its rating is.",
    "edited": "Edited: workers write the new texts to the curated set.",
    "undone": "The decision is taken back: rating and rules count again.",
    NOTHING: "There was nothing to take back: no decision or rating of a person counts here.",
    CHANGED: "Nothing was done: somebody rated this pair or decided about it since it was shown to "
    "you. This is how it is now.",
    "deployed": "The release is deployed: workers that can use it change to it within seconds.",
    "release-taken-back": "The release is taken back: the one before it is deployed again.",
    "named": "Your name will stand beside your decisions.",
}
"""What is said after something was done. Addresses have the codes, so that no text is in them."""


@dataclass(frozen=True, slots=True)
class Site:
    """The store, what people can do, and how pages are made."""

    store: Store
    actions: Actions
    renderer: Renderer
    person: str
    refused_of: RefusedOf
    outcomes: Outcomes = field(default_factory=Outcomes)
    """Of what was sent back."""

    def visit(self, request: Request) -> Visit:
        """What the guard found out about the request."""
        visit: Visit = request.state.visit
        return visit

    def name(self, request: Request) -> str:
        """Who decides."""
        return self.visit(request).name or self.person

    def item(self, id: str) -> ItemDetails:
        """Everything about an item. Raises NotFound."""
        found = self.store.item(id)
        if found is None:
            raise NotFound(f"no item has the id {id}; it may not have been read yet")
        return found

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page. ``done`` in the address says what was done before."""
        done = DONE.get(request.query_params.get("done", ""), "")
        values = {
            "name": self.name(request),
            "reading": self.store.reading(),
            "done": done,
            **values,
        }
        return self.renderer.page(request, template, status, **values)

    def error(self, request: Request, status: int, text: str) -> Response:
        """A page that says what is wrong."""
        if wants_json(request):
            return JSONResponse({"error": text}, status)
        return self.page(request, "error.jinja", status, code=status, text=text)

    def after(self, request: Request, done: str, address: str) -> Response:
        """The answer to a form: the page at ``address``, or what was done as JSON."""
        if wants_json(request):
            return JSONResponse({"done": DONE[done], "changed": done not in (NOTHING, CHANGED)})
        mark = "&" if "?" in address else "?"
        return RedirectResponse(f"{address}{mark}done={done}", 303)

    def wait(self, shown: Callable[[], bool]) -> None:
        """Wait until the store has read what was written, for two seconds at most."""
        until = time.monotonic() + _WAIT_SECONDS
        while not shown() and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)


def site_of(request: Request) -> Site:
    """The site that a request is to."""
    site: Site = request.app.state.site
    return site


def wants_json(request: Request) -> bool:
    """Whether a script asks."""
    return request.headers.get("accept", "") == "application/json"


def back(form_value: str | None, otherwise: str) -> str:
    """An address of this page to go back to, and no other."""
    # Browsers pass over tabs and ends of lines: with one, the second slash may come later.
    is_here = form_value and form_value.startswith("/") and not form_value.startswith(("//", "/\\"))
    return form_value if form_value and is_here and form_value.isprintable() else otherwise
