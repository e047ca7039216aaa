"""What goes out in one request. ``Together`` overrides a method of aiokafka's: an upgrade that changes it is noticed here."""

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import MessageAccumulator

from streams.writer import Producer, Together

_LINGER_MS = 60_000
_FIRST, _SECOND, _OTHER_BROKER = (TopicPartition("segments", partition) for partition in (0, 1, 2))


class _Cluster:
    """Two brokers: one leads the first two partitions, the other the rest."""

    def leader_for_partition(self, partition: TopicPartition) -> int:
        return partition.partition // 2


@pytest.fixture
async def accumulator() -> Together:
    return Together(_Cluster(), 1 << 20, 0, 120.0, linger_ms=_LINGER_MS)


async def _add(accumulator: MessageAccumulator, partition: TopicPartition) -> "asyncio.Future[Any]":
    return await accumulator.add_message(partition, b"key", b"value", timeout=1.0)


def _age(accumulator: MessageAccumulator, partition: TopicPartition, seconds: float) -> None:
    accumulator._batches[partition][0]._ctime -= seconds


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiokafka") == "0.14.0"
    assert list(inspect.signature(MessageAccumulator._append_batch).parameters) == ["self", "builder", "tp"]
    assert {name for name, value in vars(Together).items() if inspect.isfunction(value)} == {"_append_batch"}


async def test_a_batch_leaves_with_the_one_that_has_waited_longest(accumulator: Together) -> None:
    await _add(accumulator, _FIRST)
    _age(accumulator, _FIRST, 1.0)
    await _add(accumulator, _SECOND)
    await _add(accumulator, _OTHER_BROKER)
    assert accumulator.drain_by_nodes(ignore_nodes=()) == ({}, False), "nothing is due"
    for partition in (_FIRST, _SECOND, _OTHER_BROKER):
        _age(accumulator, partition, _LINGER_MS / 1000 - 0.5)
    requests, _ = accumulator.drain_by_nodes(ignore_nodes=())
    assert {node: set(batches) for node, batches in requests.items()} == {0: {_FIRST, _SECOND}, 1: {_OTHER_BROKER}}


async def test_aiokafkas_own_has_each_partition_wait_for_itself() -> None:
    # Should this fail one day, ``Together`` may go.
    stock = MessageAccumulator(_Cluster(), 1 << 20, 0, 120.0, linger_ms=_LINGER_MS)
    await _add(stock, _FIRST)
    _age(stock, _FIRST, 1.0)
    await _add(stock, _SECOND)
    for partition in (_FIRST, _SECOND):
        _age(stock, partition, _LINGER_MS / 1000 - 0.5)
    requests, _ = stock.drain_by_nodes(ignore_nodes=())
    assert {node: set(batches) for node, batches in requests.items()} == {0: {_FIRST}}


async def test_a_batch_that_is_tried_again_does_not_age_the_others(accumulator: Together) -> None:
    await _add(accumulator, _FIRST)
    _age(accumulator, _FIRST, 110.0)
    await _add(accumulator, _SECOND)
    assert accumulator._batches[_FIRST][0].remaining_linger() is None
    assert accumulator._batches[_SECOND][0].remaining_linger() is None, "it goes with the other, at once"
    _age(accumulator, _SECOND, 50.0)
    assert not accumulator._batches[_SECOND][0].expired(), "110 s in all, of 120"


async def test_the_producer_sends_together() -> None:
    producer = Producer({"bootstrap_servers": "localhost:1"})
    assert type(producer._message_accumulator) is Together
    assert producer._sender._message_accumulator is producer._message_accumulator
    await producer.client.close()
