"""Where the boxes and lines of the flow stand: stages and topics in columns, from left to right."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from streams.page.store.stream_views import Edge, EdgeKind, FlowView

WIDTH, HEIGHT = 104, 44
"""Of a box."""
_COLUMN, _ROW = 156, 112
"""From one box to the next."""
_MARGIN = 8
_BELOW = 30
"""Room under the lowest boxes, for what their stages refuse."""


class NodeKind(StrEnum):
    """What a box stands for."""

    TOPIC = "topic"
    STAGE = "stage"


@dataclass(frozen=True, slots=True)
class Box:
    """A topic or a stage. ``x`` and ``y`` are its upper left corner."""

    name: str
    kind: NodeKind
    x: float
    y: float
    count: int | None
    """Messages of the topic; None for a stage."""
    refused: Edge | None
    buried: Edge | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two boxes."""

    edge: Edge
    path: str
    """As SVG's ``d`` has it."""
    x: float
    y: float
    """Its middle, where its figures stand."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The flow as a picture."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


_Node = tuple[NodeKind, str]
_Link = tuple[_Node, _Node]


def picture_of(flow: FlowView) -> Picture:
    """Lay the flow out. Deterministic for the same stages and topics."""
    drawn = [edge for edge in flow.edges if edge.kind in (EdgeKind.READS, EdgeKind.WRITES)]
    links = [_link(edge) for edge in drawn]
    columns = _columns(links)
    rows = Counter[int]()
    at: dict[_Node, tuple[float, float]] = {}
    for node, column in columns.items():
        at[node] = (_MARGIN + column * _COLUMN, _MARGIN + rows[column] * _ROW)
        rows[column] += 1
    besides = {(edge.source, edge.kind): edge for edge in flow.edges}
    boxes = [
        Box(
            name,
            kind,
            *at[kind, name],
            flow.topics.get(name, 0) if kind is NodeKind.TOPIC else None,
            besides.get((name, EdgeKind.REFUSES)) if kind is NodeKind.STAGE else None,
            besides.get((name, EdgeKind.BURIES)) if kind is NodeKind.STAGE else None,
        )
        for kind, name in columns
    ]
    lines = [
        _line(edge, at[one], at[other]) for edge, (one, other) in zip(drawn, links, strict=True)
    ]
    return Picture(
        width=max((x for x, _ in at.values()), default=0) + WIDTH + _MARGIN,
        height=max((y for _, y in at.values()), default=0) + HEIGHT + _BELOW + _MARGIN,
        boxes=tuple(boxes),
        lines=tuple(lines),
    )


def _link(edge: Edge) -> _Link:
    if edge.kind is EdgeKind.READS:
        return (NodeKind.TOPIC, edge.source), (NodeKind.STAGE, edge.target)
    return (NodeKind.STAGE, edge.source), (NodeKind.TOPIC, edge.target)


def _columns(links: Sequence[_Link]) -> dict[_Node, int]:
    """The column of each node, in the order in which the flow reaches them.

    A node stands right of all that lead to it, except where that would go round in a circle, and as
    near as it can to what it leads to.
    """
    order, forward = _forward(links)
    columns = dict.fromkeys(order, 0)
    for _ in order:
        for one, other in forward:
            columns[other] = max(columns[other], columns[one] + 1)
    following = defaultdict[_Node, list[_Node]](list)
    for one, other in forward:
        following[one].append(other)
    for node in sorted(order, key=lambda node: -columns[node]):
        if following[node]:
            columns[node] = min(columns[other] for other in following[node]) - 1
    return columns


def _forward(links: Sequence[_Link]) -> tuple[list[_Node], list[_Link]]:
    """The nodes in the order of a walk from the first ones, and the links that lead ahead on it."""
    following = defaultdict[_Node, list[_Node]](list)
    for one, other in links:
        following[one].append(other)
    order, forward = list[_Node](), list[_Link]()
    under_way, seen = set[_Node](), set[_Node]()

    def walk(node: _Node) -> None:
        seen.add(node)
        under_way.add(node)
        order.append(node)
        for other in following[node]:
            if other not in under_way:
                forward.append((node, other))
                if other not in seen:
                    walk(other)
        under_way.discard(node)

    reached = {other for _, other in links}
    for node in [*_first(links, reached), *(one for one, _ in links)]:
        if node not in seen:
            walk(node)
    return order, forward


def _first(links: Iterable[_Link], reached: set[_Node]) -> list[_Node]:
    return [one for one, _ in links if one not in reached]


def _line(edge: Edge, one: tuple[float, float], other: tuple[float, float]) -> Line:
    x1, y1 = one[0] + WIDTH, one[1] + HEIGHT / 2
    x2, y2 = other[0], other[1] + HEIGHT / 2
    if x2 > x1:
        bend = (x2 - x1) / 2
        path = f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
        return Line(edge, path, (x1 + x2) / 2, (y1 + y2) / 2)
    # Back to the left: below the boxes in between.
    x1, x2 = one[0] + WIDTH / 2, other[0] + WIDTH / 2
    y1, y2 = one[1] + HEIGHT, other[1] + HEIGHT
    low = max(y1, y2) + _ROW * 0.45
    path = f"M{x1:g},{y1:g} C{x1:g},{low:g} {x2:g},{low:g} {x2:g},{y2:g}"
    return Line(edge, path, (x1 + x2) / 2, (y1 + y2) / 8 + low * 0.75)
