"""Releases: two side by side, and which of them is deployed."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from schemas.errors import QueryError
from streams.page.store.stream_views import CalibrationView, Histogram, ReleaseView
from streams.page.web.charts import (
    HistogramChart,
    ReliabilityChart,
    highest,
    histogram_chart,
    reliability_chart,
)
from streams.page.web.site import site_of


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two releases."""

    view: ReleaseView
    histogram: Histogram
    calibration: CalibrationView
    scores: HistogramChart
    reliability: ReliabilityChart


def releases(request: Request) -> Response:
    """The list, and two releases side by side: the deployed one and the newest other one."""
    site = site_of(request)
    views = site.store.releases()
    left = _chosen(views, request.query_params.get("left"), _deployed(views))
    others = [view for view in views if view is not left]
    right = _chosen(views, request.query_params.get("right"), others[0] if others else None)
    # Where there is one release alone, it is not shown beside itself.
    shown = [view for view in (left, right) if view is not None][: len(views)]
    histograms = [site.store.scores(view.id) for view in shown]
    top = highest(histograms)
    sides: list[Side] = []
    for view, histogram in zip(shown, histograms, strict=True):
        calibration = site.store.calibration(view.id)
        sides.append(
            Side(
                view,
                histogram,
                calibration,
                histogram_chart(histogram, top),
                reliability_chart(calibration),
            )
        )
    return site.page(
        request,
        "releases.jinja",
        releases=views,
        in_use=site.store.in_use(),
        sides=sides,
        left=left,
        right=right,
    )


def list_part(request: Request) -> Response:
    """The list as it is now."""
    site = site_of(request)
    views = site.store.releases()
    left = _chosen(views, request.query_params.get("left"), _deployed(views))
    in_use = site.store.in_use()
    return site.page(request, "parts/releases.jinja", releases=views, in_use=in_use, left=left)


def promote(request: Request) -> Response:
    """Deploy a release."""
    site = site_of(request)
    id = request.path_params["id"]
    site.actions.promote(id)
    site.wait(lambda: any(view.id == id and view.deployed for view in site.store.releases()))
    return site.after(request, "deployed", "/releases")


def roll_back(request: Request) -> Response:
    """Take the deployed release back."""
    site = site_of(request)
    deployed = _deployed(site.store.releases())
    if deployed is None or deployed.release is None:
        raise QueryError("no release is deployed: there is nothing to take back")
    if deployed.id != site.visit(request).form.get("id"):
        raise QueryError("another release is deployed by now: look at the list again")
    site.actions.roll_back(deployed.release.base)
    site.wait(lambda: _deployed(site.store.releases()) != deployed)
    return site.after(request, "release-taken-back", "/releases")


def _deployed(views: tuple[ReleaseView, ...]) -> ReleaseView | None:
    return next((view for view in views if view.deployed), None)


def _chosen(
    views: tuple[ReleaseView, ...], id: str | None, otherwise: ReleaseView | None
) -> ReleaseView | None:
    found = next((view for view in views if view.id == id), None)
    return found or otherwise or (views[0] if views else None)


ROUTES: tuple[BaseRoute, ...] = (
    Route("/releases", releases),
    Route("/parts/releases", list_part),
    Route("/releases/rollback", roll_back, methods=["POST"]),
    Route("/releases/{id}/promote", promote, methods=["POST"]),
)
