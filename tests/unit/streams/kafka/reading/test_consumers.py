"""The fetcher of aiokafka with messages of our own reading."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher as stock
from aiokafka.consumer.subscription_state import Assignment

from streams.kafka.reading import consumers
from streams.kafka.reading.fetched import Fetched

_PLACE = TopicPartition("t", 0)


async def test_a_result_that_waits_is_kept_when_a_later_response_is_passed_over(
    monkeypatch: Any,
) -> None:
    """After a change of leader two brokers may answer for one partition."""

    async def passes_over(*_: Any) -> bool:
        return False

    monkeypatch.setattr(stock.Fetcher, "_proc_fetch_request", passes_over)
    waiting = Fetched(_PLACE, b"", 5, 5, {})
    fetcher = object.__new__(consumers._AsyncFetcher)
    fetcher._records = {_PLACE: _result(waiting)}
    request = object()
    fetcher._client = consumers._FetchingClient(None)
    fetcher._client._fetched[id(request)] = {_PLACE: consumers._Answer(0, b"of the later one")}
    assert await fetcher._proc_fetch_request(None, 1, request) is False
    assert fetcher._records[_PLACE]._partition_records is waiting


def _result(records: Fetched) -> stock.FetchResult:
    result = object.__new__(stock.FetchResult)
    result._partition_records = records
    return result


@pytest.mark.parametrize(("error", "noted"), [(0, {}), (1, {_PLACE: 7})])
async def test_only_a_position_that_the_broker_refused_is_behind_the_end(
    error: int, noted: dict[TopicPartition, int]
) -> None:
    """A seek to where nothing is committed resets the position too, while a fetch is under way."""
    fetcher = object.__new__(consumers._AsyncFetcher)
    fetcher._behind_end = {}
    assignment = Assignment([_PLACE])
    assignment.state_value(_PLACE).await_reset(-2)
    request = SimpleNamespace(topics=[("t", [(0, 7, 1000)])])
    fetcher._note_refused(assignment, request, {_PLACE: consumers._Answer(error, b"")})
    assert fetcher._behind_end == noted
