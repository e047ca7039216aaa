"""Two rings: root verbs, and the objects of each, as in figure 3 of Self-Instruct."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from streams.report.content import Root
from streams.report.drawing.svg import COLOURS, add, fitted, number, plot, tip, write

_SIZE = 640.0
_MIDDLE = _SIZE / 2
_HOLE, _INNER, _OUTER = 70.0, 175.0, 300.0
_LEAST = 10.5
"""Width of the thinnest part that has a label, in its middle."""
_WHOLE = 2 * math.pi


def sunburst(roots: Sequence[Root], label: str) -> Element:
    """Draw the rings. The angle of a part is its share of all these roots."""
    root = plot(_SIZE, label, _SIZE)
    total = sum(one.count for one in roots) or 1
    angle = 0.0
    for place, one in enumerate(roots):
        span = _WHOLE * one.count / total
        colour = f"c{place % COLOURS}"
        _part(root, (angle, span), (_HOLE, _INNER), colour, one.word, f"{one.word}: {one.count:,}")
        inner = angle
        for shade, about in enumerate(one.objects):
            part = _WHOLE * about.count / total
            said = f"{one.word} {about.name}: {about.count:,}"
            kind = f"{colour} outer{shade % 2}"
            _part(root, (inner, part), (_INNER + 2, _OUTER), kind, about.name, said)
            inner += part
        rest = one.count - sum(about.count for about in one.objects)
        if rest > 0:
            left = _WHOLE * rest / total
            said = f"{one.word}, other objects or none: {rest:,}"
            _part(root, (inner, left), (_INNER + 2, _OUTER), f"{colour} outer2", "", said)
        angle += span
    return root


def _part(
    root: Element,
    angles: tuple[float, float],
    radii: tuple[float, float],
    kind: str,
    text: str,
    said: str,
) -> None:
    (start, span), (near, far) = angles, radii
    span = min(span, _WHOLE - 1e-4)
    path = add(root, "path", f"slice {kind}", d=_path(start, span, near, far))
    tip(path, said)
    at = (near + far) / 2
    if span * at < _LEAST or not text:
        return
    middle = start + span / 2
    turned = math.degrees(middle) - 90
    flipped = 90 < turned < 270
    x, y = _point(middle, at)
    label = write(root, x, y, fitted(text, far - near - 8), "middle slice-label", dy="0.35em")
    rotation = turned - 180 if flipped else turned
    label.set("transform", f"rotate({number(rotation)} {number(x)} {number(y)})")


def _path(start: float, span: float, near: float, far: float) -> str:
    large = 1 if span > math.pi else 0
    corners = (_point(start, near), _point(start, far), _point(start + span, far))
    (x1, y1), (x2, y2), (x3, y3) = corners
    x4, y4 = _point(start + span, near)
    return (
        f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
        f"A{number(far)} {number(far)} 0 {large} 1 {number(x3)} {number(y3)}"
        f"L{number(x4)} {number(y4)}"
        f"A{number(near)} {number(near)} 0 {large} 0 {number(x1)} {number(y1)}Z"
    )


def _point(angle: float, radius: float) -> tuple[float, float]:
    """The place at an angle from the top, clockwise."""
    return _MIDDLE + radius * math.sin(angle), _MIDDLE - radius * math.cos(angle)
