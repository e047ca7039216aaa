"""Columns on an axis: histograms, and parts that add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from streams.report.drawing.svg import WIDTH, add, plot, ticks, tip, write

_LEFT = 56.0
_BOTTOM = 40.0
_TOP = 12.0


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name on the axis, or an empty one, and its parts from below, by colour."""

    name: str
    parts: tuple[tuple[str, float], ...]
    tip: str


def columns(
    rows: Sequence[Column],
    label: str,
    axis: str,
    *,
    percent: bool = False,
    height: float = 220.0,
    width: float = WIDTH,
    mark: tuple[float, str] | None = None,
) -> Element:
    """Draw columns. ``mark`` is a line at a place between 0 and 1 of the axis, with its name."""
    root = plot(height, label, width)
    most = max([1e-12, *(sum(value for _, value in row.parts) for row in rows)])
    grid = [0.0, 0.25, 0.5, 0.75, 1.0] if percent else ticks(most)
    across, down = width - _LEFT - 8, height - _TOP - _BOTTOM
    for value in grid:
        y = _TOP + down * (1 - value / grid[-1])
        add(root, "line", "grid", x1=_LEFT, x2=width - 8, y1=y, y2=y)
        write(root, _LEFT - 6, y + 4, f"{value:.0%}" if percent else f"{value:,.10g}", "end small")
    step = across / max(1, len(rows))
    named = [place for place, row in enumerate(rows) if row.name]
    every = max(1, -(-len(named) * 52 // int(across)))
    for place, row in enumerate(rows):
        x, y = _LEFT + place * step, _TOP + down
        for kind, value in row.parts:
            tall = down * value / grid[-1]
            y -= tall
            rect = add(
                root, "rect", kind, x=x + 1, y=y, width=max(0.5, step - 2), height=max(0.0, tall)
            )
            tip(rect, row.tip)
        if place in named[::every]:
            write(root, x + step / 2, height - _BOTTOM + 16, row.name, "middle small")
    write(root, _LEFT + across / 2, height - 6, axis, "middle small")
    if mark is not None:
        at, name = _LEFT + across * mark[0], mark[1]
        add(root, "line", "mark", x1=at, x2=at, y1=_TOP - 6, y2=_TOP + down)
        write(root, at - 4, _TOP + 4, name, "end small")
    return root
