"""The flow as edges."""

from streams.kafka.topics import CANDIDATES, CURATED, DEAD_LETTERS, PREFERENCES, REJECTED
from streams.observe.lag import Flow, PartitionLag, StageLag
from streams.page.store.flow_meter import FlowMeter
from streams.page.store.stream_views import Edge, EdgeKind, FlowView
from streams.stages.topology import PAIRER, STAGES, StageSpec

_SCORER = next(spec for spec in STAGES if spec.name == "scorer")


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _flow(done: int, lag: int, start: int = 0) -> Flow:
    partition = PartitionLag("candidates", 0, start, done + lag, done)
    stage = StageLag("scorer", "candidates", done, lag, (partition,))
    return Flow({CANDIDATES.name: done + lag, PREFERENCES.name: 7}, [stage])


def _edge(view: FlowView | None, source: str, target: str) -> Edge:
    assert view is not None
    [found] = [edge for edge in view.edges if (edge.source, edge.target) == (source, target)]
    return found


def test_there_is_nothing_before_the_first_reading() -> None:
    assert FlowMeter().view({}, 0) is None


def test_edges_have_counts_lag_and_rates() -> None:
    clock, stages = _Clock(), (_SCORER, PAIRER)
    meter = FlowMeter(clock)
    written = {("scorer", "scored"): 10, ("scorer", REJECTED.name): 1}
    assert meter.update(_flow(10, 30), stages, written, caught_up=True)
    assert not meter.update(_flow(10, 30), stages, written, caught_up=True)
    clock.now = 10.0
    written = {("scorer", "scored"): 30, ("scorer", REJECTED.name): 2}
    assert meter.update(_flow(31, 9), stages, written, caught_up=True)
    view = meter.view(written, examples=5)
    assert view is not None
    assert (view.stages, view.examples, view.idle) == (("scorer", "pairer"), 5, False)
    read = _edge(view, "candidates", "scorer")
    assert (read.kind, read.count, read.lag, read.per_second) == (EdgeKind.READS, 31, 9, 2.1)
    scored = _edge(view, "scorer", "scored")
    assert (scored.kind, scored.count, scored.per_second) == (EdgeKind.WRITES, 30, 2.0)
    refused = _edge(view, "scorer", REJECTED.name)
    assert (refused.kind, refused.count) == (EdgeKind.REFUSES, 2)
    assert _edge(view, "scorer", DEAD_LETTERS.name).kind is EdgeKind.BURIES
    assert _edge(view, "pairer", PREFERENCES.name).count == 7, "it is not read, but has one writer"
    assert _edge(view, CURATED.name, "pairer").count == 0


def test_what_is_read_of_the_past_is_no_rate() -> None:
    clock = _Clock()
    meter = FlowMeter(clock)
    stages: tuple[StageSpec, ...] = (_SCORER,)
    for second in range(3):
        clock.now = float(second)
        meter.update(_flow(10, 0), stages, {("scorer", "scored"): 1000 * second}, caught_up=False)
    assert _edge(meter.view({}, 0), "scorer", "scored").per_second == 0.0


def test_messages_that_were_deleted_unread_are_counted() -> None:
    meter = FlowMeter()
    meter.update(_flow(4, 3, start=9), (_SCORER,), {}, caught_up=True)
    assert _edge(meter.view({}, 0), "candidates", "scorer").deleted_unread == 5


def test_what_is_in_the_way_is_a_change() -> None:
    meter = FlowMeter()
    assert meter.update(_flow(4, 3), (_SCORER,), {}, caught_up=True)
    assert meter.update(_flow(4, 3), (_SCORER,), {}, True, ("no worker runs",))
    assert not meter.update(_flow(4, 3), (_SCORER,), {}, True, ("no worker runs",))
    view = meter.view({}, 0)
    assert view is not None
    assert view.in_the_way == ("no worker runs",)
