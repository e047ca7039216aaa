"""When a broker that ended is started again, on a clock of the test."""

from typing import cast

import pytest

from schemas.errors import BrokerError
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.embedded.broker_death import Death
from streams.run.supervised_broker import SupervisedBroker


class _Broker:
    """Stands in for an EmbeddedBroker."""

    def __init__(self) -> None:
        self.alive = True
        self.ready = False
        self.launches = 0
        self.passing = True

    def launch(self) -> None:
        self.launches += 1
        self.alive = True

    def listens(self) -> bool:
        return self.ready

    def death(self) -> Death:
        return Death("SIGKILL", self.passing)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _supervised() -> tuple[SupervisedBroker, _Broker, _Clock]:
    broker, clock = _Broker(), _Clock()
    return SupervisedBroker(cast(EmbeddedBroker, broker), clock), broker, clock


def test_it_is_started_again_with_growing_pauses_and_given_up_after_five_deaths() -> None:
    supervised, broker, clock = _supervised()
    assert supervised.poll() is None
    for delay in (1, 2, 4, 8):
        broker.alive = False
        launches = broker.launches
        news = supervised.poll()
        assert news == f"the embedded Kafka ended: SIGKILL; starting it again in {delay} s"
        clock.now += delay - 0.1
        assert supervised.poll() is None
        assert broker.launches == launches
        clock.now += 0.2
        assert supervised.poll() is None
        assert broker.launches == launches + 1
    broker.alive = False
    with pytest.raises(BrokerError, match="the embedded Kafka ended by itself: SIGKILL"):
        supervised.poll()


def test_a_cause_that_does_not_pass_is_raised_at_once() -> None:
    supervised, broker, _ = _supervised()
    broker.alive = broker.passing = False
    with pytest.raises(BrokerError, match="ended by itself"):
        supervised.poll()
    assert broker.launches == 0


def test_a_restart_is_reported_and_after_a_steady_time_deaths_count_anew() -> None:
    supervised, broker, clock = _supervised()
    for _ in range(10):
        broker.alive = False
        assert str(supervised.poll()).endswith("starting it again in 1 s")
        clock.now += 1
        assert supervised.poll() is None
        assert supervised.poll() is None, "it does not listen yet"
        broker.ready = True
        assert supervised.poll() == "the embedded Kafka runs again"
        assert supervised.poll() is None
        broker.ready = False
        clock.now += 301
