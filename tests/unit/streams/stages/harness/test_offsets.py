import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.stages.harness.offsets import OffsetTracker, OffsetTrackers, TrackedOffset


def started(tracker: OffsetTracker, offset: int) -> TrackedOffset:
    tracked = tracker.start(offset)
    assert tracked is not None
    return tracked


def test_nothing_is_committable_before_the_first_record_is_done():
    tracker = OffsetTracker()
    first, second = started(tracker, 7), started(tracker, 8)
    assert tracker.committable is None
    tracker.finish(second)
    assert tracker.committable is None  # 7 is still in flight
    tracker.finish(first)
    assert tracker.committable == 9
    assert len(tracker) == 0


def test_a_gap_in_the_offsets_is_passed_over():
    tracker = OffsetTracker()
    tracked = [started(tracker, offset) for offset in (0, 5, 6)]
    for each in tracked:
        tracker.finish(each)
    assert tracker.committable == 7


def test_an_offset_that_was_taken_in_is_refused():
    tracker = OffsetTracker()
    tracker.start(3)
    assert tracker.start(3) is None
    assert tracker.start(2) is None
    assert tracker.start(4) is not None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_never_past_a_record_in_flight_in_any_order(steps: list[int], shuffler: random.Random):
    tracker, offset, in_flight = OffsetTracker(), 0, {}
    for step in steps:
        offset += step
        in_flight[offset] = started(tracker, offset)
    order = list(in_flight)
    shuffler.shuffle(order)
    for done in order:
        tracker.finish(in_flight.pop(done))
        if in_flight and tracker.committable is not None:
            assert tracker.committable <= min(in_flight)
    assert tracker.committable == offset + 1


def test_a_revoked_partition_commits_nothing_more():
    trackers = OffsetTrackers()
    tracked = started(trackers["documents", 0], 10)
    old = trackers["documents", 0]
    trackers.revoke({("documents", 0)})
    old.finish(tracked)
    assert trackers.committable() == {}
    assert trackers["documents", 0].start(3) is not None  # the new owner's view starts afresh


@pytest.mark.parametrize("done", [(), (0,), (0, 1)])
def test_in_flight_is_counted(done):
    trackers = OffsetTrackers()
    tracked = [started(trackers["a", 0], 0), started(trackers["b", 1], 0)]
    for index, partition in enumerate((("a", 0), ("b", 1))):
        if index in done:
            trackers[partition].finish(tracked[index])
    assert len(trackers) == 2 - len(done)
