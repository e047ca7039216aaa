"""Where the marks of the charts stand: score histogram, reliability, operating points, loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.page.store.stream_views import CalibrationView, Histogram, LossPoint

WIDTH, HEIGHT = 420, 210
"""Of a chart, in the units of its view box."""
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 22, 30
"""Room around the plot for the axes."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column of the histogram."""

    x: float
    y: float
    width: float
    height: float
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class HistogramChart:
    """The columns of a histogram, stacked by verdict."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A point with the interval that it was estimated to lie in."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    text: str


@dataclass(frozen=True, slots=True)
class ReliabilityChart:
    """How many of the pairs that were rated so are good by people, and by the judge's promise."""

    points: tuple[Point, ...]
    promised: str
    """The judge's promise as an SVG path; empty without one."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class LossChart:
    """The training loss by step."""

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def histogram_chart(view: Histogram, highest_share: float) -> HistogramChart:
    """Columns as shares of the ratings, up to ``highest_share``; see ``highest``."""
    total, top = max(1, view.ratings), max(highest_share, 1e-9)
    bars: list[Bar] = []
    for bin in view.bins:
        left, right = _score_x(bin.low), _score_x(bin.high)
        below = 0.0
        for verdict, count in (
            ("accepted", bin.accepted),
            ("refused", bin.refused),
            ("other", bin.other),
        ):
            if count:
                share = count / total
                y = _y((below + share) / top)
                text = f"{bin.low:g} to {bin.high:g}: {count:,} {verdict}"
                height = _y(below / top) - y
                bars.append(Bar(left, y, max(1.0, right - left - 1), height, verdict, text))
                below += share
    shares = (0.0, top / 2, top) if highest_share else (0.0,)
    ticks = tuple(Tick(_y(one / top), f"{100 * one:.3g}%") for one in shares)
    return HistogramChart(tuple(bars), _score_ticks(), ticks)


def highest(views: Sequence[Histogram]) -> float:
    """The largest share of a column, so that two charts have the same scale."""
    return max(
        (
            (bin.accepted + bin.refused + bin.other) / max(1, view.ratings)
            for view in views
            for bin in view.bins
        ),
        default=0.0,
    )


def reliability_chart(view: CalibrationView) -> ReliabilityChart:
    """The share of pairs that people rated 4 or 5, by rating."""
    most = max((bin.pairs for bin in view.bins), default=1)
    points = tuple(
        Point(
            _score_x(bin.score),
            _y(bin.kept_share),
            _y(bin.kept_low),
            _y(bin.kept_high),
            3 + 4 * (bin.pairs / most) ** 0.5,
            f"rated {bin.score:.2f} on average: {bin.kept_share:.0%} of {bin.pairs:,} are a 4 or 5"
            f" by people ({bin.kept_low:.0%} to {bin.kept_high:.0%})",
        )
        for bin in view.bins
    )
    if view.promise.curve:
        promised = [(point.threshold, point.precision) for point in view.promise.curve]
    else:
        promised = [(bin.score, bin.promised) for bin in view.bins if bin.promised is not None]
    return ReliabilityChart(
        points,
        _path([(_score_x(score), _y(share)) for score, share in promised]),
        _score_ticks(),
        tuple(Tick(_y(share), f"{share:.0%}") for share in (0.0, 0.5, 1.0)),
    )


def loss_chart(losses: Sequence[LossPoint], steps: int) -> LossChart:
    """The loss of a run so far, over all its steps."""
    if not losses:
        return LossChart("", (), ())
    low = min(point.loss for point in losses)
    high = max(point.loss for point in losses)
    span, last = (high - low) or 1.0, max(1, steps)
    return LossChart(
        _path([(_x(point.step / last), _y((point.loss - low) / span)) for point in losses]),
        tuple(Tick(_x(share), f"{share * last:,.0f}") for share in (0.0, 0.5, 1.0)),
        tuple(Tick(_y(share), f"{low + share * span:.2f}") for share in (0.0, 0.5, 1.0)),
    )


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)


def _score_x(score: float) -> float:
    return round(_x((score - 1) / 4), 2)


def _score_ticks() -> tuple[Tick, ...]:
    return tuple(Tick(_score_x(score), str(score)) for score in range(1, 6))


def _path(points: Sequence[tuple[float, float]]) -> str:
    if len(points) < 2:
        return ""
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
