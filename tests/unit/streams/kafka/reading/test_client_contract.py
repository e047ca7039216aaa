"""What ``streams/kafka/reading/consumers.py`` relies on in both client libraries.

Their decoders refuse a header name that is not UTF-8, and then every message behind it. Should one
of them stop doing so, ``test_the_decoders_refuse_what_a_producer_may_write`` fails, and its hook
may be reconsidered.
"""

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher as async_fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.memory_records import MemoryRecords as AsyncRecords
from kafka import KafkaConsumer
from kafka.consumer import fetcher as sync_fetcher
from kafka.record import MemoryRecords as SyncRecords

from streams.kafka.reading.fetched import Fetched
from tests.raw_batches import raw_batch, raw_record


def test_the_versions_are_those_that_were_read() -> None:
    assert version("aiokafka") == "0.14.0"
    assert version("kafka-python") == "3.0.12"


@pytest.mark.parametrize("records", [AsyncRecords, SyncRecords])
def test_the_decoders_refuse_what_a_producer_may_write(records: Any) -> None:
    batch = records(raw_batch([raw_record(0, b"k", b"v", [(b"\xff", b"1")])])).next_batch()
    with pytest.raises(Exception, match="invalid start byte"):
        list(batch)


def test_aiokafka_connects_to_a_node_in_one_place() -> None:
    method = AIOKafkaClient._get_conn
    assert list(inspect.signature(method).parameters) == ["self", "node_id", "group", "no_hint"]
    source = inspect.getsource(method)
    assert "await create_conn(" in source
    assert "return None" in source
    assert inspect.getsource(AIOKafkaClient).count("create_conn(") == 2, "and to bootstrap"


def test_aiokafka_makes_its_fetcher_in_start() -> None:
    source = inspect.getsource(AIOKafkaConsumer.start)
    assert "self._fetcher = Fetcher(" in source
    assert "isolation_level=self._isolation_level," in source
    routine = inspect.getsource(async_fetcher.Fetcher._fetch_requests_routine)
    assert "waiter = self._subscriptions.wait_for_assignment()" in routine


def test_aiokafka_reads_in_tasks_that_end_silently() -> None:
    assert "self._fetch_task = create_task(" in inspect.getsource(async_fetcher.Fetcher.__init__)
    assert "self._coordination_task = create_task(" in inspect.getsource(GroupCoordinator.__init__)
    assert "self._sync_task = create_task(" in inspect.getsource(AIOKafkaClient.bootstrap)
    stop = inspect.getsource(AIOKafkaConsumer.stop)
    assert stop.index("self._closed = True") < stop.index("self._coordinator.close()")


def test_aiokafka_notes_when_a_partition_was_fetched() -> None:
    source = inspect.getsource(async_fetcher.Fetcher._proc_fetch_request)
    assert "now_ms = int(1000 * time.time())" in source
    noted = source.index("tp_state.timestamp = now_ms")
    assert source.index("if error_type is Errors.NoError:") < noted
    assert noted < source.index("if records.has_next():"), "also where there was nothing new"


def test_aiokafka_unpacks_what_a_request_brought_without_waiting() -> None:
    method = async_fetcher.Fetcher._proc_fetch_request
    assert list(inspect.signature(method).parameters) == [
        "self",
        "assignment",
        "node_id",
        "request",
    ]
    source = inspect.getsource(method)
    assert "response = await self._client.send(node_id, request)" in source
    unpacking = source[source.index("fetch_offsets = {}") :]
    assert "records = MemoryRecords(part_data[-1])" in unpacking
    assert "self._records[tp] = FetchResult(" in unpacking
    assert "tp_state.highwater = highwater" in unpacking
    assert "await " not in unpacking


def test_aiokafka_asks_its_records_only_for_what_ours_have() -> None:
    stock = async_fetcher.PartitionRecords(("t", 0), None, [(7, 3)], 5, None, None, True, 1)
    assert stock.next_fetch_offset == 5
    assert stock._isolation_level == async_fetcher.READ_COMMITTED
    assert stock._aborted_transactions == [(7, 3)]
    source = inspect.getsource(async_fetcher.FetchResult)
    used = set(source.split("self._partition_records")[1:])
    assert all(
        rest.startswith((" = ", ".next_fetch_offset", " is not None", ":", ", None)"))
        for rest in used
    )
    ours = Fetched(("t", 0), b"", 5, 5, {})
    assert ours.next_fetch_offset == 5
    assert next(ours, None) is None


def test_kafka_python_parses_a_fetch_into_an_iterator() -> None:
    assert "self._fetcher = Fetcher(" in inspect.getsource(KafkaConsumer.__init__)
    method = sync_fetcher.Fetcher._parse_fetched_data
    assert list(inspect.signature(method).parameters) == ["self", "completed_fetch"]
    source = inspect.getsource(method)
    for used in (
        "completed_fetch.partition_data.records",
        "completed_fetch.partition_data.high_watermark",
        "completed_fetch.partition_data.aborted_transactions",
        "parsed_records = self.PartitionRecords(fetch_offset, tp, records,",
    ):
        assert used in source
    stock = sync_fetcher.Fetcher.PartitionRecords(5, ("t", 0), None)
    for name in ("record_iterator", "next_fetch_offset", "leader_epoch", "records_read"):
        assert hasattr(stock, name)
    assert "itertools.islice(self.record_iterator, 0, n)" in inspect.getsource(stock.take)
    assert inspect.isgeneratorfunction(stock._unpack_records), "nothing is unpacked before"


def test_aiokafka_does_not_seek_where_nothing_is_committed() -> None:
    """Should it do so, ``AsyncConsumer.seek_to_committed`` may be reconsidered."""
    source = inspect.getsource(AIOKafkaConsumer.seek_to_committed)
    assert "if offset and offset > 0:\n                self._fetcher.seek_to(" in source
    method = async_fetcher.Fetcher.request_offset_reset
    assert list(inspect.signature(method).parameters) == ["self", "tps", "strategy"]
    method = async_fetcher.Fetcher._update_fetch_positions
    assert list(inspect.signature(method).parameters) == ["self", "assignment", "node_id", "tps"]
