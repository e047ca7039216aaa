"""Waiting for acknowledgements, for as long as some come."""

import pytest
from kafka.errors import KafkaTimeoutError

from streams.kafka.writing.bounded_producer import flush


class Producer:
    """Acknowledges one message in each wait, up to ``until``; of ``messages``."""

    def __init__(self, messages: int, until: int) -> None:
        self.acknowledged = 0
        self.seconds = 0.0
        self._messages = messages
        self._until = until

    def flush(self, timeout: float) -> None:
        self.seconds += timeout
        self.acknowledged = min(self.acknowledged + 1, self._until)
        if self.acknowledged < self._messages:
            raise KafkaTimeoutError


def wait(producer: Producer) -> None:
    flush(
        producer,  # type: ignore[arg-type]
        lambda: producer.acknowledged,
        20.0,
        now=lambda: producer.seconds,
    )


def test_a_slow_broker_is_waited_for_as_long_as_it_goes_on():
    producer = Producer(messages=1000, until=1000)
    wait(producer)
    assert producer.seconds > 1000


def test_a_broker_that_acknowledges_nothing_more_is_away():
    producer = Producer(messages=1000, until=3)
    with pytest.raises(KafkaTimeoutError):
        wait(producer)
    assert producer.seconds < 60
