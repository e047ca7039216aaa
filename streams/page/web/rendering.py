"""Templates and static files. Every text is escaped: those of the topics are not to be trusted."""

import hashlib
import mimetypes
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agents.figures import as_score
from agents.reasons import in_words
from streams.page.store.item_views import TEXT_CHARACTERS
from streams.page.web import charts, flow_picture
from streams.page.web.editing import state_mark, text_mark
from streams.page.web.guard import Visit
from streams.page.web.query import act_address, address, item_address

_ID = re.compile(r"\b([0-9a-f]{32})\b")


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file."""

    body: bytes
    media_type: str
    address: str
    """With a hash of its content, so that browsers may keep it."""


class Renderer:
    """Makes pages of templates."""

    def __init__(self) -> None:
        self.assets = _assets()
        self._environment = Environment(
            loader=PackageLoader("streams.page.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Callable[..., Any]] = {
            "number": lambda value: f"{value:,}",
            "short": short,
            "rate": rate,
            "score": lambda value: "–" if value is None else as_score(value),
            "ago": lambda at: ago(time.time() - at),
            "when": when,
            "ids": ids,
            "in_words": in_words,
            "text_mark": text_mark,
            "state_mark": state_mark,
        }
        self._environment.filters |= filters
        self._environment.globals |= {
            "asset": lambda name: self.assets[name].address,
            "address": address,
            "item_address": item_address,
            "act_address": act_address,
            "longest_text": TEXT_CHARACTERS,
            "charts": charts,
            "box": flow_picture,
        }

    def page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A whole page, or a part of one."""
        visit: Visit = request.state.visit
        html = self._environment.get_template(template).render(
            visit=visit, path=request.url.path, query=request.query_params, **values
        )
        return HTMLResponse(html, status)

    def asset(self, name: str) -> Response | None:
        """A static file by its name, with or without the hash. None where there is none."""
        found = self.assets.get(name)
        if found is None:
            return None
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(found.body, media_type=found.media_type, headers=headers)


def short(value: float) -> str:
    """A count in at most four characters, such as ``12k``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            figure = value / limit
            return f"{figure:.1f}{unit}" if figure < 10 else f"{figure:.0f}{unit}"
    return f"{value:.0f}"


def rate(per_second: float) -> str:
    """A rate, such as ``3.2/s``, or ``4/min`` for one below one in ten seconds."""
    if per_second <= 0.0005:
        return "0/s"
    if per_second < 0.1:
        return f"{per_second * 60:.1f}/min"
    return f"{per_second:.1f}/s" if per_second < 100 else f"{short(per_second)}/s"


def ago(seconds: float) -> str:
    """How long ago something was."""
    for limit, size, unit in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) / size:.0f} {unit} ago"
    return f"{seconds / 86_400:,.0f} days ago"


def when(at: float) -> str:
    """A time in UTC."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return "unknown"


def ids(text: str) -> list[tuple[str, bool]]:
    """The text in parts, each with whether it is an id of an item."""
    return [(part, at % 2 == 1) for at, part in enumerate(_ID.split(text))]


def _assets() -> Mapping[str, Asset]:
    found: dict[str, Asset] = {}
    for file in files("streams.page.web").joinpath("static").iterdir():
        body = file.read_bytes()
        mark = hashlib.sha256(body).hexdigest()[:12]
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        found[file.name] = Asset(body, media_type, f"/assets/{file.name}?{mark}")
    return found
