"""When the consumer of a stage is not ready, on a clock of the test."""

import logging

import pytest
from aiokafka import TopicPartition

from streams.stages.consumer.readiness import Readiness
from streams.stages.harness.offsets import OffsetTrackers


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _readiness(in_flight: int = 1) -> tuple[Readiness, _Clock]:
    clock = _Clock()
    return Readiness(30, 600, lambda: in_flight, str, clock), clock


def test_a_coordinator_that_does_not_answer_is_away() -> None:
    readiness, clock = _readiness()
    assert readiness.not_ready is None
    clock.now += 9
    assert readiness.not_ready is None
    clock.now += 2
    assert readiness.not_ready == "Kafka has not answered its consumer group for 11 s"
    readiness.answered()
    assert readiness.not_ready is None


def test_a_slow_stage_that_commits_is_ready_and_a_stuck_one_is_not() -> None:
    readiness, clock = _readiness()
    for _ in range(5):
        readiness.accepted()
        clock.now += 500
        readiness.answered()
        assert readiness.not_ready is None
        readiness.committed(waiting=True)
    clock.now += 601
    readiness.answered()
    assert readiness.not_ready is not None
    assert "none was committed for 601 s" in readiness.not_ready
    readiness.committed(waiting=False)
    assert readiness.not_ready is None


def test_a_stage_without_records_is_ready() -> None:
    readiness, clock = _readiness()
    readiness.accepted()
    readiness.committed(waiting=False)
    clock.now += 100_000
    readiness.answered()
    assert readiness.not_ready is None
    readiness.accepted()
    readiness.forgotten()  # revoked
    clock.now += 100_000
    readiness.answered()
    assert readiness.not_ready is None


def test_records_that_are_read_again_and_were_finished_before_are_no_stall() -> None:
    readiness, clock = _readiness(in_flight=0)
    readiness.accepted()
    clock.now += 1000
    readiness.answered()
    assert readiness.not_ready is None
    with readiness.committing():  # which hangs
        assert readiness.not_ready is not None


def test_records_wait_until_a_commit_covers_them() -> None:
    offsets = OffsetTrackers()
    assert not offsets.exceed({})
    tracker = offsets["documents", 0]
    tracked = tracker.start(0)
    assert tracked is not None
    assert offsets.exceed({("documents", 0): None}), "in flight"
    tracker.finish(tracked)
    assert offsets.exceed({("documents", 0): None}), "done, not committed"
    assert not offsets.exceed({("documents", 0): 1})


def test_a_refusal_is_logged_once_and_holds_until_a_heartbeat_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    readiness, clock = _readiness()
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            readiness.refused(PermissionError("no Read on the group"))
            clock.now += 1
    assert caplog.messages == ["no Read on the group; trying again"]
    assert readiness.not_ready == "no Read on the group"
    assert not readiness.is_silent, "the coordinator answers"
    readiness.forgotten()  # it joined
    assert readiness.refusal is not None, "it may be refused at the next request again"
    readiness.answered()
    assert readiness.not_ready is None


def test_a_partition_that_is_not_fetched_is_named() -> None:
    readiness, clock = _readiness(in_flight=0)
    fetched: dict[TopicPartition, float | None] = {}
    readiness.since_fetched = lambda: fetched
    clock.now += 601
    readiness.answered()
    assert readiness.not_ready is None, "the messages of all partitions wait to be taken"
    fetched[TopicPartition("documents", 0)] = 1.5
    assert readiness.not_ready is None
    fetched[TopicPartition("documents", 1)] = None
    assert readiness.not_ready is not None
    assert "fetched of documents/1 for 601 s" in readiness.not_ready
    readiness.forgotten()
    assert readiness.not_ready is None, "it was just assigned"
