"""Draws the plots of the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.loop.bootstrap import SeedEstimate
from bench.loop.quality import Subset


def differences(rows: Mapping[str, Mapping[str, tuple[SeedEstimate, bool]]], picture: Path) -> None:
    """Plot differences by metric and comparison, each with whether lower is better.

    Right of the line the first of the two models is better. Dots are means over training seeds with
    their bootstrap intervals, ticks the values of each training seed.
    """
    across = min(3, len(rows))
    down = -(-len(rows) // across)
    figure = Figure(figsize=(4.2 * across, 0.6 + 1.9 * down))
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    labels = list(dict.fromkeys(label for found in rows.values() for label in found))
    for axes, (name, found) in zip(grid.flat, rows.items(), strict=False):
        for label, (estimate, lower_is_better) in found.items():
            sign, at = (-1 if lower_is_better else 1), labels.index(label)
            axes.plot(
                [sign * estimate.low, sign * estimate.high],
                [at, at],
                color="tab:blue",
                linewidth=1.5,
            )
            axes.plot([sign * estimate.value], [at], "o", color="tab:blue", markersize=5)
            axes.plot(
                [sign * value for value in estimate.seeds],
                [at] * len(estimate.seeds),
                "|",
                color="black",
                markersize=8,
            )
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
    _save(figure, picture)


def curation(
    by_rater: Mapping[str, Sequence[Subset]], column: str, label: str, picture: Path
) -> None:
    """Plot a metric of the best shares of the candidates, by the ratings of each rater."""
    figure = Figure(figsize=(6, 3.5))
    axes = figure.subplots()
    for number, (rater, rows) in enumerate(by_rater.items()):
        shares = [row for row in rows if not row.label.startswith("rated")]
        places = [at + 0.12 * number for at in range(len(shares))]
        values = [row.metrics[column] for row in shares]
        low = [max(0.0, estimate.value - estimate.low) for estimate in values]
        high = [max(0.0, estimate.high - estimate.value) for estimate in values]
        axes.errorbar(
            places,
            [estimate.value for estimate in values],
            [low, high],
            marker="o",
            label=rater,
            capsize=3,
            linewidth=1,
        )
        axes.set_xticks(range(len(shares)), [row.label for row in shares])
    axes.set(ylabel=label, xlabel="candidates, by rating")
    axes.legend(fontsize=8)
    _save(figure, picture)


def _save(figure: Figure, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    with mpl.rc_context({"svg.hashsalt": "backstream"}):  # the same values give the same file
        figure.savefig(picture, format="svg", metadata={"Date": None})
