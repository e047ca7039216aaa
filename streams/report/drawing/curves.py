"""Lines and points in a square between two axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from streams.report.drawing.svg import COLOURS, add, number, plot, tip, write

_LEFT, _BOTTOM, _TOP, _RIGHT = 56.0, 44.0, 12.0, 12.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y, what they say), joined by lines."""

    name: str
    points: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """From ``low`` to ``high``, with values written at ``marks``."""

    name: str
    low: float
    high: float
    marks: tuple[float, ...]
    percent: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def text(self, value: float) -> str:
        """A value in words."""
        return f"{value:.0%}" if self.percent else f"{value:g}"


def curves(
    rows: Sequence[Curve],
    label: str,
    x: Axis,
    y: Axis,
    *,
    diagonal: bool = False,
    mark: tuple[float, str] | None = None,
    width: float = 460.0,
    height: float = 300.0,
) -> Element:
    """Draw curves with a legend. ``mark`` is a vertical line at a value of ``x``."""
    tall = height + 18 * len(rows)
    root = plot(tall, label, width)
    across, down = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def left(value: float) -> float:
        return _LEFT + across * x.at(value)

    def top(value: float) -> float:
        return _TOP + down * (1 - y.at(value))

    for value in y.marks:
        add(root, "line", "grid", x1=_LEFT, x2=_LEFT + across, y1=top(value), y2=top(value))
        write(root, _LEFT - 6, top(value) + 4, y.text(value), "end small")
    for value in x.marks:
        add(root, "line", "grid", x1=left(value), x2=left(value), y1=_TOP, y2=_TOP + down)
        write(root, left(value), _TOP + down + 16, x.text(value), "middle small")
    write(root, _LEFT + across / 2, height - 8, x.name, "middle small")
    if diagonal:
        add(
            root,
            "line",
            "before",
            x1=left(x.low),
            y1=top(y.low),
            x2=left(x.high),
            y2=top(y.high),
        )
    if mark is not None:
        add(root, "line", "mark", x1=left(mark[0]), x2=left(mark[0]), y1=_TOP, y2=_TOP + down)
        write(root, left(mark[0]) - 4, _TOP + down - 6, mark[1], "end small")
    for place, row in enumerate(rows):
        colour = f"c{place % COLOURS}"
        path = " ".join(f"{number(left(one))},{number(top(two))}" for one, two, _ in row.points)
        add(root, "polyline", f"curve {colour}", points=path)
        for one, two, said in row.points:
            tip(add(root, "circle", colour, cx=left(one), cy=top(two), r=3.0), said)
        line = height + 18 * place + 8
        add(root, "rect", colour, x=_LEFT, y=line - 9, width=12.0, height=10.0)
        write(root, _LEFT + 18, line, row.name, "small")
    return root
