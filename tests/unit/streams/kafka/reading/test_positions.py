"""Positions of kafka-python's consumer, which may not be known yet."""

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from streams.kafka.reading import consumers
from streams.kafka.reading.consumers import Consumer

_PLACE = TopicPartition("p.releases", 0)


def _consumer(monkeypatch: pytest.MonkeyPatch, answers: Iterator[int | None]) -> Consumer:
    monkeypatch.setattr(consumers, "_SEEK_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(KafkaConsumer, "position", lambda self, place, wait=None: next(answers))
    return Consumer.__new__(Consumer)


def test_a_position_is_asked_for_until_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _consumer(monkeypatch, iter((None, None, 0))).position(_PLACE) == 0


def test_a_position_that_stays_unknown_is_an_error_of_kafka(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumers, "_SEEK_SECONDS", -1.0)
    with pytest.raises(KafkaTimeoutError, match=r"p\.releases/0"):
        _consumer(monkeypatch, iter((None,))).position(_PLACE)
