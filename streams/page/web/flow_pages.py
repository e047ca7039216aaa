"""The first page: the flow, training, and why things were refused."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from streams.page.web.charts import loss_chart
from streams.page.web.flow_picture import picture_of
from streams.page.web.site import Site, site_of


def flow(request: Request) -> Response:
    """The whole page."""
    site = site_of(request)
    return site.page(
        request, "flow.jinja", **_flow(site), **_training(site), reasons=site.store.reasons()[:12]
    )


def flow_part(request: Request) -> Response:
    """The picture alone, as it is now."""
    site = site_of(request)
    return site.page(request, "parts/flow.jinja", **_flow(site))


def training_part(request: Request) -> Response:
    """Training alone, as it is now."""
    site = site_of(request)
    return site.page(request, "parts/training.jinja", **_training(site))


def reasons_part(request: Request) -> Response:
    """The reasons alone, as they are now."""
    site = site_of(request)
    return site.page(request, "parts/reasons.jinja", reasons=site.store.reasons()[:12])


def state_part(request: Request) -> Response:
    """Whether the page is live."""
    return site_of(request).page(request, "parts/state.jinja")


def _flow(site: Site) -> dict[str, Any]:
    flow = site.store.flow()
    return {"flow": flow, "picture": None if flow is None else picture_of(flow)}


def _training(site: Site) -> dict[str, Any]:
    training = site.store.training()
    run = training.run
    loss = None if run is None else loss_chart(run.losses, run.steps)
    return {"training": training, "loss": loss}


ROUTES: tuple[BaseRoute, ...] = (
    Route("/", flow),
    Route("/parts/state", state_part),
    Route("/parts/flow", flow_part),
    Route("/parts/training", training_part),
    Route("/parts/reasons", reasons_part),
)
