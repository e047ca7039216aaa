"""The watch on a broker that does not answer."""

import asyncio

import pytest

from schemas.errors import BrokerUnavailable
from streams.settings import Settings
from streams.worker import broker_watch
from streams.worker.broker_watch import BrokerWatch


async def test_a_cause_that_cannot_be_found_does_not_end_the_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[Exception] = [IndexError("half an answer"), BrokerUnavailable("nothing listens")]

    def diagnose(_: object) -> Exception | None:
        error = found.pop(0) if found else None
        if isinstance(error, IndexError):
            raise error
        return error

    monkeypatch.setattr(broker_watch, "diagnose", diagnose)
    monkeypatch.setattr(broker_watch, "_SECONDS", 0.0)
    watch = BrokerWatch(Settings().kafka.cluster())
    watching = asyncio.create_task(watch.run(lambda: True))
    while len(caplog.messages) < 2 or watch.cause is not None:
        assert not watching.done(), watching.exception()
        await asyncio.sleep(0.01)
    watching.cancel()
    assert caplog.messages == [
        "no broker answers: the cause could not be found (IndexError('half an answer'))",
        "no broker answers: nothing listens",
    ]
