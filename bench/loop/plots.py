"""The pictures of the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from bench.loop.intervals import Figure
from bench.loop.quality import Kept


def differences(rows: Mapping[str, Mapping[str, tuple[Figure, bool]]], picture: Path) -> None:
    """Figure → comparison → the difference and whether lower is better. Right of the line the first
    of the two is better.

    Dots are the means over training seeds with their intervals, ticks the values under each.
    """
    across = min(3, len(rows))
    down = -(-len(rows) // across)
    canvas = Canvas(figsize=(4.2 * across, 0.6 + 1.9 * down))
    grid = canvas.subplots(down, across, squeeze=False, sharey=True)
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    labels = list(dict.fromkeys(label for found in rows.values() for label in found))
    for axes, (name, found) in zip(grid.flat, rows.items(), strict=False):
        for label, (figure, lower_is_better) in found.items():
            sign, at = (-1 if lower_is_better else 1), labels.index(label)
            axes.plot(
                [sign * figure.low, sign * figure.high], [at, at], color="tab:blue", linewidth=1.5
            )
            axes.plot([sign * figure.value], [at], "o", color="tab:blue", markersize=5)
            axes.plot(
                [sign * value for value in figure.seeds],
                [at] * len(figure.seeds),
                "|",
                color="black",
                markersize=8,
            )
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
    _save(canvas, picture)


def curation(
    by_rater: Mapping[str, Sequence[Kept]], column: str, label: str, picture: Path
) -> None:
    """What the best shares of the candidates are worth, by the ratings of each rater."""
    canvas = Canvas(figsize=(6, 3.5))
    axes = canvas.subplots()
    for number, (rater, rows) in enumerate(by_rater.items()):
        shares = [row for row in rows if not row.label.startswith("rated")]
        places = [at + 0.12 * number for at in range(len(shares))]
        values = [row.figures[column] for row in shares]
        low = [max(0.0, figure.value - figure.low) for figure in values]
        high = [max(0.0, figure.high - figure.value) for figure in values]
        axes.errorbar(
            places,
            [figure.value for figure in values],
            [low, high],
            marker="o",
            label=rater,
            capsize=3,
            linewidth=1,
        )
        axes.set_xticks(range(len(shares)), [row.label for row in shares])
    axes.set(ylabel=label, xlabel="candidates, by rating")
    axes.legend(fontsize=8)
    _save(canvas, picture)


def loss(log: Sequence[Sequence[float]], picture: Path) -> None:
    """The base's training loss by tokens, a moving mean."""
    canvas = Canvas(figsize=(6, 3))
    axes = canvas.subplots()
    axes.plot([tokens / 1e6 for tokens, _ in log], [value for _, value in log], linewidth=1.2)
    axes.set(xlabel="million tokens of text", ylabel="loss, nats a token")
    _save(canvas, picture)


def _save(canvas: Canvas, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    canvas.tight_layout()
    with mpl.rc_context({"svg.hashsalt": "backstream"}):  # the same figures give the same file
        canvas.savefig(picture, format="svg", metadata={"Date": None})
