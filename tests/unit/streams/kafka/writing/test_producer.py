"""The producer: what goes out in one request.

``Together`` overrides a method of aiokafka's: a test here fails where an upgrade changes it.
"""

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import MessageAccumulator

from streams.kafka.cluster import Cluster
from streams.kafka.writing.producer import Producer, Together

_LINGER = 60.0
_FIRST, _SECOND, _OTHER_BROKER = (TopicPartition("segments", partition) for partition in (0, 1, 2))


class _Cluster:
    """Two brokers: one leads the first two partitions, the other the rest."""

    def leader_for_partition(self, partition: TopicPartition) -> int:
        return partition.partition // 2


@pytest.fixture
async def accumulator() -> Together:
    return Together(_Cluster(), 1 << 20, 0, 120.0, linger_ms=1000 * _LINGER)


async def _add(accumulator: MessageAccumulator, partition: TopicPartition) -> "asyncio.Future[Any]":
    return await accumulator.add_message(partition, b"key", b"value", timeout=1.0)


def _drain(accumulator: MessageAccumulator) -> dict[int, set[TopicPartition]]:
    requests, _ = accumulator.drain_by_nodes(ignore_nodes=())
    return {node: set(batches) for node, batches in requests.items()}


def _age(accumulator: MessageAccumulator, partition: TopicPartition, seconds: float) -> None:
    accumulator._batches[partition][0]._ctime -= seconds


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiokafka") == "0.14.0"
    assert list(inspect.signature(MessageAccumulator._append_batch).parameters) == [
        "self",
        "builder",
        "tp",
    ]
    assert list(inspect.signature(MessageAccumulator.drain_by_nodes).parameters) == [
        "self",
        "ignore_nodes",
        "muted_partitions",
    ]
    ours = {name for name, value in vars(Together).items() if inspect.isfunction(value)}
    assert ours == {"_append_batch", "drain_by_nodes"}


async def test_after_a_silence_a_record_leaves_at_once_and_the_next_ones_together(
    accumulator: Together,
) -> None:
    await _add(accumulator, _FIRST)
    assert _drain(accumulator) == {0: {_FIRST}}
    await _add(accumulator, _FIRST)
    await _add(accumulator, _SECOND)
    await _add(accumulator, _OTHER_BROKER)
    for partition in (_FIRST, _SECOND, _OTHER_BROKER):
        _age(accumulator, partition, _LINGER - 1)
    assert _drain(accumulator) == {}, "nothing is due for another second"
    for partition in (_FIRST, _SECOND, _OTHER_BROKER):
        _age(accumulator, partition, 1)
    assert _drain(accumulator) == {0: {_FIRST, _SECOND}, 1: {_OTHER_BROKER}}
    await _add(accumulator, _FIRST)
    assert _drain(accumulator) == {}, "a linger after that"


async def test_batches_are_due_when_the_first_of_them_is(accumulator: Together) -> None:
    await _add(accumulator, _FIRST)
    assert _drain(accumulator)
    accumulator._sent -= _LINGER / 2
    await _add(accumulator, _FIRST)
    await asyncio.sleep(0.01)
    await _add(accumulator, _SECOND)
    first, second = (accumulator._batches[partition][0] for partition in (_FIRST, _SECOND))
    assert first._ctime == second._ctime == accumulator._sent


async def test_aiokafkas_own_has_each_partition_wait_for_itself() -> None:
    # When this fails, ``Together`` is no longer needed.
    stock = MessageAccumulator(_Cluster(), 1 << 20, 0, 120.0, linger_ms=1000 * _LINGER)
    await _add(stock, _FIRST)
    _age(stock, _FIRST, 1.0)
    await _add(stock, _SECOND)
    for partition in (_FIRST, _SECOND):
        _age(stock, partition, _LINGER - 0.5)
    assert _drain(stock) == {0: {_FIRST}}


async def test_waiting_takes_no_more_than_the_linger_from_the_time_to_deliver(
    accumulator: Together,
) -> None:
    await _add(accumulator, _FIRST)
    _age(accumulator, _FIRST, 120.0 - _LINGER - 1)
    assert not accumulator._batches[_FIRST][0].expired()
    _age(accumulator, _FIRST, 2)
    assert accumulator._batches[_FIRST][0].expired()


async def test_the_producer_sends_together() -> None:
    producer = Producer(Cluster({"bootstrap_servers": "localhost:1"}))
    assert type(producer._message_accumulator) is Together
    assert producer._sender._message_accumulator is producer._message_accumulator
    await producer.stop()
