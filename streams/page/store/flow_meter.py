"""The flow as edges: what is read and committed, and what was written, with smoothed rates."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streams.kafka.topics import DEAD_LETTERS, REJECTED, Topic
from streams.observe.lag import Flow, StageLag
from streams.observe.rates import Rates
from streams.page.store.folding import FOLLOWED
from streams.page.store.stream_views import Edge, EdgeKind, FlowView
from streams.stages.topology import StageSpec

Written = Mapping[tuple[str, str], int]
"""(stage, topic) to the number of records that the stage wrote there."""
_KINDS = {REJECTED.name: EdgeKind.REFUSES, DEAD_LETTERS.name: EdgeKind.BURIES}


@dataclass(frozen=True, slots=True)
class _Reading:
    flow: Flow
    at: float
    reads: Mapping[str, float]
    writes: Mapping[str, float]
    in_the_way: Sequence[str]


class FlowMeter:
    """Owns the newest reading of the stream and the rates. Any thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._reads, self._writes = Rates(clock), Rates(clock)
        self._stages: Sequence[StageSpec] = ()
        self._reading: _Reading | None = None

    def update(
        self,
        flow: Flow,
        stages: Sequence[StageSpec],
        written: Written,
        caught_up: bool,
        in_the_way: Sequence[str] = (),
    ) -> bool:
        """Take a reading; return whether it differs from the one before.

        While the topics are still being read from their beginning, ``written`` says nothing about
        the rates. ``in_the_way`` is why something is not processed.
        """
        with self._lock:
            before = self._reading
            self._reads.update(flow)
            if caught_up:
                self._writes.update(_as_flow(written))
            self._stages = stages
            reads, writes = dict(self._reads.per_second), dict(self._writes.per_second)
            self._reading = _Reading(
                flow, time.time(), reads, writes if caught_up else {}, in_the_way
            )
            return before is None or (flow, reads, writes, in_the_way) != (
                before.flow,
                before.reads,
                before.writes,
                before.in_the_way,
            )

    def view(self, written: Written, examples: int) -> FlowView | None:
        """The newest reading as a picture. None before the first one."""
        with self._lock:
            reading, stages = self._reading, self._stages
        if reading is None:
            return None
        lags = {lag.stage: lag for lag in reading.flow.stages}
        edges: list[Edge] = []
        for spec in stages:
            lag = lags.get(spec.name)
            edges.append(
                Edge(
                    spec.source.name,
                    spec.name,
                    EdgeKind.READS,
                    count=lag.done if lag else 0,
                    per_second=reading.reads.get(spec.name, 0.0),
                    lag=lag.lag if lag else 0,
                    deleted_unread=lag.deleted_unread if lag else 0,
                )
            )
            edges += [
                Edge(
                    spec.name,
                    topic.name,
                    _KINDS.get(topic.name, EdgeKind.WRITES),
                    count=_count(spec.name, topic, written, reading.flow),
                    per_second=reading.writes.get(_name(spec.name, topic.name), 0.0),
                )
                for topic in spec.outputs
            ]
        return FlowView(
            at=reading.at,
            stages=tuple(spec.name for spec in stages),
            topics=reading.flow.messages,
            edges=tuple(edges),
            examples=examples,
            idle=reading.flow.idle,
            in_the_way=reading.in_the_way,
        )


def _count(stage: str, topic: Topic, written: Written, flow: Flow) -> int:
    """What a stage wrote: of a topic that is not read, what it holds. It has one writer."""
    if topic not in FOLLOWED:
        return flow.messages.get(topic.name, 0)
    return written.get((stage, topic.name), 0)


def _as_flow(written: Written) -> Flow:
    """What was written as what stages have done, which is what rates are made of."""
    return Flow({}, [StageLag(_name(*pair), "", count, 0) for pair, count in written.items()])


def _name(stage: str, topic: str) -> str:
    return f"{stage}>{topic}"
