"""Following releases while Kafka cannot be read."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from schemas.errors import BrokerUnavailable
from schemas.release import Release, ReleaseStatus
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.releases import following


async def test_a_broker_that_does_not_answer_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[None] = []

    async def follow(*_: Any) -> AsyncGenerator[list[Release]]:
        attempts.append(None)
        if len(attempts) < 3:
            raise BrokerUnavailable("no Kafka")
        yield [_release()]

    monkeypatch.setattr(following, "_follow", follow)
    monkeypatch.setattr(following, "_RETRY_SECONDS", 0.0)
    followed = following.follow_in_service(Cluster({}), "base", RecordReader())
    async with aclosing(followed) as releases:
        assert await anext(releases) == [_release()]
    assert len(attempts) == 3


def _release() -> Release:
    return Release(
        id="r-1",
        parent=None,
        base="base",
        status=ReleaseStatus.IN_SERVICE,
        location="",
        created_at=1.0,
    )
