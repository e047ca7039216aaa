"""Draws the plots of a report as SVG, with the same bytes for the same values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_SIZE = (6, 4)
"""Inches."""


def draw_curve(curves: Mapping[str, Sequence[Mapping[str, float]]], picture: Path) -> None:
    """Plot the mean label by the mean rating, a line for each model.

    Each point has its number of labelled pairs beside it. The line of a calibrated model is the
    diagonal.
    """
    figure, axes = _axes()
    axes.plot([1, 5], [1, 5], color="grey", linewidth=0.5)
    for number, (name, points) in enumerate(curves.items()):
        (line,) = axes.plot(
            [point["rating"] for point in points],
            [point["label"] for point in points],
            marker="o",
            label=name,
        )
        for point in points:
            axes.annotate(
                f"{point['pairs']:,.0f}",
                (point["rating"], point["label"]),
                # Above the points of one model, below those of the other.
                xytext=(0, -12 if number % 2 else 6),
                textcoords="offset points",
                ha="center",
                fontsize="x-small",
                color=line.get_color(),
            )
    axes.set(xlabel="mean rating", ylabel="mean label", xlim=(1, 5), ylim=(1, 5))
    _save(figure, axes, picture)


def draw_histogram(
    counts: Mapping[str, Sequence[int]], edges: Sequence[float], picture: Path
) -> None:
    """Plot how many labelled pairs have each rating, a line for each model."""
    figure, axes = _axes()
    for name, heights in counts.items():
        axes.stairs(heights, edges, label=name)
    axes.set(xlabel="rating", ylabel="labelled pairs", xlim=(1, 5))
    _save(figure, axes, picture)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    FigureCanvasSVG(figure)
    return figure, figure.add_subplot()


def _save(figure: Figure, axes: Axes, picture: Path) -> None:
    axes.legend()
    figure.tight_layout()
    with mpl.rc_context({"svg.hashsalt": "backstream"}):  # otherwise the ids are random
        figure.savefig(picture, format="svg", metadata={"Date": None})
