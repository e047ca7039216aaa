"""Horizontal bars: names with numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from streams.report.drawing.svg import WIDTH, add, fitted, plot, tip, write

_ROW = 22.0
_NAMES = 230.0
_VALUES = 130.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. ``kind`` is the class of its colour; ``before`` is the share to compare with."""

    name: str
    value: float
    text: str
    kind: str = "c0"
    inner: bool = False
    """Whether the name is indented, as a part of the bar above."""
    before: float | None = None


def bars(rows: Sequence[Bar], label: str) -> Element:
    """Draw bars from the top down. The earlier value of a bar is a line across it."""
    root = plot(len(rows) * _ROW + 4, label)
    most = max([1e-12, *(row.value for row in rows), *(row.before or 0.0 for row in rows)])
    scale = (WIDTH - _NAMES - _VALUES) / most
    for place, row in enumerate(rows):
        top = place * _ROW + 2
        indent = 16.0 if row.inner else 0.0
        name = write(
            root,
            indent,
            top + 15,
            fitted(row.name, _NAMES - indent - 8),
            "" if row.inner else "name",
        )
        tip(name, row.name)
        length = row.value * scale
        add(
            root,
            "rect",
            row.kind,
            x=_NAMES,
            y=top + 3,
            width=max(length, 1.0 if row.value else 0.0),
            height=_ROW - 7,
            rx=2.0,
        )
        end = length
        if row.before is not None:
            at = _NAMES + row.before * scale
            line = add(root, "line", "before", x1=at, x2=at, y1=top, y2=top + _ROW - 2)
            tip(line, f"before: {row.before:.1%}")
            end = max(end, row.before * scale)
        write(root, _NAMES + end + 6, top + 15, row.text, "value")
    return root


def counted_bars(
    rows: Sequence[tuple[str, int]],
    label: str,
    before: Mapping[str, float] | None = None,
    kind: str = "c0",
) -> Element:
    """Draw counts with their shares; ``before`` has the shares of another report."""
    total = sum(count for _, count in rows) or 1
    return bars(
        [
            Bar(
                name,
                count / total,
                f"{count:,} ({count / total:.1%})",
                kind,
                before=before.get(name, 0.0) if before else None,
            )
            for name, count in rows
        ],
        label,
    )
