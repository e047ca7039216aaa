"""The producer: what goes out in one request, and aiokafka's errors as ours.

``Together`` overrides a method of aiokafka's: a test here fails where an upgrade changes it.
"""

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import aiokafka.errors
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    ProducerFenced,
    RecordTooLargeError,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import MessageAccumulator

from schemas.errors import BrokerError, BrokerUnavailable, WireError
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Message
from streams.kafka.writer import KafkaWriter, Producer, Together, broker_error

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


_MESSAGE = Message("segments", b"k", b"v")
_RETRIABLE = [
    error
    for error in vars(aiokafka.errors).values()
    if isinstance(error, type) and issubclass(error, KafkaError) and vars(error).get("retriable")
]


@pytest.mark.parametrize("error", [*_RETRIABLE, KafkaTimeoutError])
def test_an_error_that_may_pass_is_recognised_by_its_type(error: type[KafkaError]) -> None:
    assert type(broker_error(_MESSAGE, error())) is BrokerUnavailable


@pytest.mark.parametrize("error", [ProducerFenced(), ProducerClosed(), ValueError("odd")])
def test_another_error_is_final_and_names_the_topic(error: Exception) -> None:
    found = broker_error(_MESSAGE, error)
    assert type(found) is BrokerError
    assert "cannot write to topic segments" in str(found)


class _Refusing:
    """A producer whose ``send`` fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def send(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (KafkaTimeoutError(), BrokerUnavailable),
        (UnknownTopicOrPartitionError(), BrokerUnavailable),
        (ProducerFenced(), BrokerError),
        (ProducerClosed(), BrokerError),
        (MessageSizeTooLargeError(), WireError),
        (RecordTooLargeError(), WireError),
    ],
)
async def test_no_error_of_the_client_leaves_the_writer(
    raised: Exception, expected: type[Exception]
) -> None:
    writer = KafkaWriter(Cluster({}))
    writer._producer = _Refusing(raised)  # type: ignore[assignment]
    with pytest.raises(expected) as caught:
        await writer.send(_MESSAGE)
    assert type(caught.value) is expected


async def test_a_writer_that_reaches_no_broker_says_so() -> None:
    with pytest.raises(BrokerUnavailable, match=r"nothing listens on 127\.0\.0\.1:1"):
        async with KafkaWriter(Cluster({"bootstrap_servers": "127.0.0.1:1"})):
            pass
