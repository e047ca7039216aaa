"""The writer: whatever happens to its producers, each message is written in the end, in order."""

import asyncio
import random
from typing import Any

import aiokafka.errors
import pytest
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    RecordListTooLargeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
)
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BrokerUnavailable, WireError
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Message
from streams.kafka.writing.writer import KafkaWriter
from tests.unit.simulated_time import simulate

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError, RecordTooLargeError)
_ERRORS = [
    error
    for error in vars(aiokafka.errors).values()
    if isinstance(error, type) and issubclass(error, KafkaError) and error not in _TOO_LARGE
]


class _Broker:
    """What the producers of a test write to, and how they fail."""

    def __init__(self, choose: random.Random, faults: float = 0.0, largest: int = 100) -> None:
        self.choose = choose
        self.faults = faults
        self.largest = largest
        self.log: list[bytes] = []

    def producer(self, cluster: Cluster) -> Any:
        return _Producer(self)


class _Producer:
    """Like aiokafka's: after a failed batch its partition accepts nothing more."""

    def __init__(self, broker: _Broker) -> None:
        self.broker = broker
        self.spent: Exception | None = None
        self.closed = False
        self.queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self.pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await asyncio.sleep(self.broker.choose.random())
        if self.broker.choose.random() < self.broker.faults:
            raise BrokerUnavailable("no broker")
        self.pump = asyncio.create_task(self._deliver())

    async def send(
        self, topic: str, value: Any, key: bytes | None, headers: Any
    ) -> "asyncio.Future[None]":
        if self.broker.choose.random() < self.broker.faults / 2:
            await asyncio.sleep(1)
            raise self.broker.choose.choice([KafkaTimeoutError(), KafkaError("odd")])
        if self.closed:
            raise ProducerClosed
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.queue.append((value, future))
        return future

    async def _deliver(self) -> None:
        choose = self.broker.choose
        while True:
            await asyncio.sleep(choose.random())
            for _ in range(min(len(self.queue), choose.randint(1, 3))):
                value, future = self.queue.pop(0)
                if self.spent is None and len(value) > self.broker.largest:
                    self.spent = MessageSizeTooLargeError()
                elif self.spent is None and choose.random() < self.broker.faults:
                    self.spent = TopicAuthorizationFailedError("segments")
                elif self.spent is not None:
                    self.spent = OutOfOrderSequenceNumber()
                else:
                    self.broker.log.append(value)
                    future.set_result(None)
                    continue
                future.set_exception(self.spent)

    async def flush(self) -> None:
        while self.queue:
            await asyncio.wait([self.queue[0][1]])

    async def stop(self) -> None:
        self.closed = True
        await self.flush()
        if self.pump is not None:
            self.pump.cancel()


def _message(value: bytes, key: bytes | None = b"k") -> Message:
    return Message("segments", key, value)


@given(
    seed=st.integers(0, 2**32),
    faults=st.sampled_from([0.0, 0.05, 0.3]),
    large=st.sets(st.integers(0, 30)),
)
def test_every_message_is_written_in_order_or_refused(
    seed: int, faults: float, large: set[int]
) -> None:
    broker = _Broker(random.Random(seed), faults)
    values = [b"%d" % number * (50 if number in large else 1) for number in range(30)]
    refused = [value for value in values if len(value) > broker.largest]

    async def write() -> None:
        writer = KafkaWriter(Cluster({"bootstrap_servers": "simulated"}), broker.producer)
        while True:
            try:
                await writer.__aenter__()
                break
            except BrokerUnavailable:
                continue
        futures = []
        for value in values:
            await asyncio.sleep(broker.choose.choice([0.0, 0.0, 0.5]))
            futures.append(await writer.send(_message(value)))
        results = await asyncio.gather(*futures, return_exceptions=True)
        await writer.__aexit__()
        assert [type(it) for it in results] == [
            WireError if value in refused else type(None) for value in values
        ]
        assert writer.unavailable is None

    simulate(write())
    assert list(dict.fromkeys(broker.log)) == [value for value in values if value not in refused]


class _Failing(_Producer):
    """A producer whose first ``send`` fails."""

    broker: "_FailingBroker"

    async def send(self, *arguments: Any, **options: Any) -> Any:
        if self.broker.failures:
            raise self.broker.failures.pop()
        return await super().send(*arguments, **options)


class _FailingBroker(_Broker):
    def __init__(self, failures: list[Exception]) -> None:
        super().__init__(random.Random(0))
        self.failures = failures

    def producer(self, cluster: Cluster) -> Any:
        return _Failing(self)


@pytest.mark.parametrize("error", [*_ERRORS])
def test_no_error_of_the_client_leaves_the_writer(error: type[Exception]) -> None:
    broker = _FailingBroker([error()])

    async def write() -> None:
        async with KafkaWriter(Cluster({}), broker.producer) as writer:
            await (await writer.send(_message(b"value")))

    simulate(write())
    assert broker.log == [b"value"]


@pytest.mark.parametrize(
    "error", [*(error() for error in _TOO_LARGE), TypeError("a header is no bytes")]
)
def test_what_has_no_form_in_kafka_is_refused(error: Exception) -> None:
    broker = _FailingBroker([error])

    async def write() -> None:
        async with KafkaWriter(Cluster({}), broker.producer) as writer:
            with pytest.raises(WireError, match="segments"):
                await writer.send(_message(b"value"))
            await (await writer.send(_message(b"next")))

    simulate(write())
    assert broker.log == [b"next"]


def test_a_broker_that_never_answers_does_not_hold_up_the_end() -> None:
    class Stuck(_Producer):
        async def _deliver(self) -> None:
            await asyncio.Event().wait()

        @property
        def client(self) -> Any:
            return self

        async def close(self) -> None:
            self.closed = True

    async def write() -> float:
        loop = asyncio.get_running_loop()
        async with KafkaWriter(Cluster({}), lambda _: Stuck(broker)) as writer:  # type: ignore[arg-type, return-value]
            future = await writer.send(_message(b"value"))
            started = loop.time()
        assert future.cancelled()
        return loop.time() - started

    broker = _Broker(random.Random(0))
    assert simulate(write()) < 5


async def test_a_writer_that_reaches_no_broker_says_so() -> None:
    with pytest.raises(BrokerUnavailable, match=r"nothing listens on 127\.0\.0\.1:1"):
        async with KafkaWriter(Cluster({"bootstrap_servers": "127.0.0.1:1"})):
            pass
