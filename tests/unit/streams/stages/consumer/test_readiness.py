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


def test_revoked_records_are_not_waited_for_and_one_that_hangs_is() -> None:
    for in_flight, ready in ((0, True), (1, False)):
        readiness, clock = _readiness(in_flight)
        readiness.accepted()
        clock.now += 400
        readiness.forgotten()
        clock.now += 400
        readiness.answered()
        assert (readiness.not_ready is None) == ready


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


def test_a_partition_that_is_left_unread_is_named() -> None:
    in_flight, place = [0], TopicPartition("scored", 0)
    clock = _Clock()
    readiness = Readiness(30, 600, lambda: in_flight[0], str, clock)
    unread = {place: 2}
    readiness.unread = lambda: unread

    def pass_by(seconds: int) -> str | None:
        for _ in range(seconds):
            clock.now += 1
            readiness.answered()
            readiness.look()
        return readiness.not_ready

    assert pass_by(600) is None
    unread[place] = 3
    assert pass_by(400) is None, "it reads"
    in_flight[0] = 1
    assert pass_by(601) is None, "the stage is busy with other partitions"
    in_flight[0] = 0
    clock.now += 100_000
    assert pass_by(200) is None, "the process was suspended"
    assert pass_by(2) == "scored/0 is not read on from offset 3, for 601 s"
    readiness.since_fetched = lambda: {place: None}
    assert readiness.left_unread is None, "a broker is away"
    assert pass_by(1) is not None, "nothing can be fetched"
    readiness.since_fetched = dict
    assert pass_by(600) is None, "what is fetched now has to be taken first"
    assert pass_by(2) is not None
    unread.clear()
    assert pass_by(1) is None
    unread[place] = 4
    assert pass_by(500) is None
    readiness.forgotten()
    assert pass_by(500) is None
