"""Where boxes and marks stand."""

import pytest

from streams.page.store.store import Store
from streams.page.store.stream_views import (
    NO_FILES,
    CalibrationView,
    Edge,
    EdgeKind,
    FlowView,
    Histogram,
    LossPoint,
    ReliabilityBin,
    ScoreBin,
)
from streams.page.web import charts
from streams.page.web.flow_picture import HEIGHT, WIDTH, Picture, picture_of
from streams.page.web.rendering import ago, ids, rate, short
from streams.settings import Settings
from streams.stages.topology import stages_of
from tests.unit.streams.page.stream import measure


def _flow() -> FlowView:
    with Store() as store:
        measure(store)
        flow = store.flow()
    assert flow is not None
    return flow


def test_the_flow_goes_from_left_to_right() -> None:
    picture = picture_of(_flow())
    at = {box.name: box.x for box in picture.boxes}
    main = ("documents", "segmenter", "segments", "backward", "candidates", "scorer", "scored")
    assert [at[name] for name in main] == sorted(at[name] for name in main)
    assert at["questions"] == at["bootstraps"] == at["segments"]
    assert len(picture.lines) == sum(
        edge.kind in (EdgeKind.READS, EdgeKind.WRITES) for edge in _flow().edges
    )


def test_boxes_do_not_overlap() -> None:
    boxes = picture_of(_flow()).boxes
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT


def test_a_circle_is_drawn_below() -> None:
    settings = Settings(
        rewriting={"enabled": True},  # type: ignore[arg-type]
        preferences={"enabled": True},  # type: ignore[arg-type]
    )
    edges = [
        edge
        for spec in stages_of(settings)
        for edge in (
            Edge(spec.source.name, spec.name, EdgeKind.READS, 1, 0.0),
            *(Edge(spec.name, topic.name, EdgeKind.WRITES, 1, 0.0) for topic in spec.outputs[:1]),
        )
    ]
    picture = picture_of(FlowView(0.0, (), {}, tuple(edges), 0, True))
    at = {box.name: box for box in picture.boxes}
    assert at["rewriter"].x > at["curated"].x > at["candidates"].x
    [back] = [line for line in picture.lines if line.edge.source == "rewriter"]
    assert back.y > at["rewriter"].y + HEIGHT
    assert _fits(picture)


def _fits(picture: Picture) -> bool:
    return all(
        0 <= box.x <= picture.width - WIDTH and 0 <= box.y <= picture.height - HEIGHT
        for box in picture.boxes
    )


def test_an_empty_flow_has_a_picture() -> None:
    assert picture_of(FlowView(0.0, (), {}, (), 0, True)).boxes == ()


def test_columns_of_a_histogram_are_stacked() -> None:
    view = Histogram("r1", (ScoreBin(1, 3, 1, 3, 0), ScoreBin(3, 5, 4, 0, 2)), 10, 3.0)
    assert charts.highest([view]) == pytest.approx(0.6)
    chart = charts.histogram_chart(view, 0.6)
    accepted, refused, other_accepted, other = chart.bars
    assert accepted.y == pytest.approx(refused.y + refused.height)
    assert other.y == pytest.approx(charts.TOP)
    assert other_accepted.y + other_accepted.height == charts.HEIGHT - charts.BOTTOM
    assert charts.histogram_chart(Histogram("r1", (), 0, None), 0.0).bars == ()


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (0.07, ["0%", "3.5%", "7%"]),
        (0.005, ["0%", "0.25%", "0.5%"]),
        (0.6, ["0%", "30%", "60%"]),
        (1 / 3, ["0%", "16.7%", "33.3%"]),
        (1.0, ["0%", "50%", "100%"]),
        (0.0, ["0%"]),
    ],
)
def test_the_middle_of_a_histograms_axis_is_half_of_its_end(top: float, ticks: list[str]) -> None:
    chart = charts.histogram_chart(Histogram("r1", (), 0, None), top)
    assert [tick.text for tick in chart.y_ticks] == ticks


def test_reliability_has_points_with_intervals() -> None:
    bin = ReliabilityBin(3, 3.5, 20, 3.2, 3.0, 0.4, 0.2, 0.6, 0.5)
    view = CalibrationView("r1", (bin,), 20, 0.5, NO_FILES)
    [point] = charts.reliability_chart(view).points
    assert point.low > point.y > point.high  # downwards
    assert "40% of 20" in point.text


def test_a_loss_is_drawn_over_all_steps() -> None:
    chart = charts.loss_chart([LossPoint(1, 2.0), LossPoint(5, 1.0)], 10)
    assert chart.path.startswith("M")
    assert [tick.text for tick in chart.y_ticks] == ["1.00", "1.50", "2.00"]
    assert charts.loss_chart([], 10).path == ""


def test_figures_are_short() -> None:
    assert [short(one) for one in (0, 999, 1200, 45_000, 2e6)] == [
        "0",
        "999",
        "1.2k",
        "45k",
        "2.0M",
    ]
    assert [rate(one) for one in (0, 0.02, 3.21, 1500)] == ["0/s", "1.2/min", "3.2/s", "1.5k/s"]
    assert [ago(one) for one in (-1, 60, 600, 7200, 1e6)] == [
        "0 s ago",
        "60 s ago",
        "10 min ago",
        "2 h ago",
        "12 days ago",
    ]


def test_ids_in_a_text_are_found() -> None:
    id = "0" * 32
    assert ids(f"as {id}.") == [("as ", False), (id, True), (".", False)]
