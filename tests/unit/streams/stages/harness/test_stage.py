import asyncio
import hashlib
from collections import Counter
from functools import partial
from typing import ClassVar

import pytest

from agents.outcomes import Retraction
from schemas.errors import (
    BrokerUnavailable,
    EngineError,
    EngineStopped,
    RemoteUnavailable,
    WireError,
)
from schemas.ids import document_id
from schemas.records import Document, Rejection, Segment
from schemas.wire import decode, decode_document, encode, header_map, headers_for
from streams.kafka.messages import Received
from streams.kafka.writing.dead_letters import EXCEPTION, MESSAGE, OFFSET, PARTITION, STAGE, TOPIC
from streams.stages.agent.protocol import Processing
from streams.stages.harness.policy import StagePolicy
from streams.stages.harness.stage import Stage
from streams.stages.metrics import Metrics
from tests.unit.memory_writer import MemoryWriter

PARTITION_0 = ("documents", 0)


class Upper:
    """An agent: a segment with the text in capitals."""

    def __init__(self) -> None:
        self.calls = 0

    async def handle(self, document, at=None):
        self.calls += 1
        return [segment(document, document.text.upper(), at)]


def segment(document, text, at=None):
    return Segment(
        id=document.id,
        document_id=document.id,
        source=document.source,
        document_at=at,
        position=0,
        text=text,
    )


def received(offset: int, text: str = "text", **changes) -> Received:
    document = Document(id=document_id("s", text), source="s", text=text)
    whole = Received(
        *PARTITION_0, offset, document.id.encode(), encode(document), headers_for(Document)
    )
    return whole._replace(**changes)


def make(agent, writer=None, *, fatal=None, policy=None):
    async def agent_of(partition):
        return agent

    writer = writer or MemoryWriter()
    stage = Stage(
        "test",
        Processing(decode_document, agent_of),
        writer,
        fatal or _unexpected,
        policy or StagePolicy(backoff=0.001),
        Metrics(),
    )
    return stage, writer, stage.offsets


def _unexpected(error):
    raise AssertionError(f"fatal: {error!r}")


async def push(stage, *messages):
    for message in messages:
        await stage.wait_for_room()
        await stage.accept(message)


async def settle(stage):
    assert await stage.wait_idle(60)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_a_message_is_passed_only_when_its_output_is_acknowledged():
    stage, writer, offsets = make(Upper(), MemoryWriter(at_once=False))
    await push(stage, received(0, "a"), received(1, "b"))
    assert stage.in_flight == 2
    writer.acknowledge(1)  # the second first
    await asyncio.sleep(0)
    assert offsets.committable() == {}
    writer.acknowledge(0)
    await settle(stage)
    assert offsets.committable() == {PARTITION_0: 2}
    assert [m.topic for m in writer.written] == ["segments", "segments"]


async def test_provenance_names_the_offset_and_the_key_is_the_id():
    stage, writer, _ = make(Upper())
    await push(stage, received(41))
    await settle(stage)
    (message,) = writer.written
    written = decode(Segment, message.value, header_map(message.headers))
    assert written.document_at is not None
    assert (
        written.document_at.topic,
        written.document_at.partition,
        written.document_at.offset,
    ) == (*PARTITION_0, 41)
    assert message.key == written.id.encode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"\x81\xa2id",
        b"\xff\xfe\x00",
        encode(Document(id="x", source="s", text="t")) + b"more",
    ],
)
async def test_poison_goes_to_the_dead_letters_byte_for_byte_and_the_next_goes_on(value):
    stage, writer, offsets = make(Upper())
    await push(stage, received(0, value=value, key=b"\x00key"), received(1))
    await settle(stage)
    good, letter = writer.written
    headers = dict(letter.headers)
    assert (letter.topic, letter.key, letter.value) == ("dead-letters", b"\x00key", value)
    assert headers[EXCEPTION] == b"schemas.errors.WireError"
    assert (headers[TOPIC], headers[PARTITION], headers[OFFSET], headers[STAGE]) == (
        b"documents",
        b"0",
        b"0",
        b"test",
    )
    assert good.topic == "segments"
    assert offsets.committable() == {PARTITION_0: 2}


async def test_an_error_is_tried_again_and_then_buried():
    class Failing(Upper):
        async def handle(self, document, at=None):
            self.calls += 1
            raise EngineError("out of memory")

    agent = Failing()
    stage, writer, offsets = make(agent, policy=StagePolicy(attempts=3, backoff=0.001))
    await push(stage, received(0))
    await settle(stage)
    assert agent.calls == 3
    assert writer.written[0].topic == "dead-letters"
    assert offsets.committable() == {PARTITION_0: 1}


async def test_an_error_that_passes_leaves_one_output():
    class Flaky(Upper):
        async def handle(self, document, at=None):
            if not self.calls:
                self.calls += 1
                raise EngineError("once")
            return await super().handle(document, at)

    stage, writer, _ = make(Flaky())
    await push(stage, received(0))
    await settle(stage)
    assert [m.topic for m in writer.written] == ["segments"]


async def test_a_hung_call_is_ended_and_buried():
    class Hung:
        async def handle(self, document, at=None):
            await asyncio.Event().wait()

    stage, writer, offsets = make(
        Hung(), policy=StagePolicy(concurrent=True, attempts=2, timeout=0.01, backoff=0.001)
    )
    await push(stage, received(0))
    await settle(stage)
    assert writer.written[0].topic == "dead-letters"
    assert offsets.committable() == {PARTITION_0: 1}


async def test_in_flight_is_bounded():
    writer = MemoryWriter(at_once=False)
    stage, _, _ = make(Upper(), writer, policy=StagePolicy(in_flight=2))
    await push(stage, received(0, "a"), received(1, "b"))
    third = asyncio.create_task(stage.wait_for_room())
    await asyncio.sleep(0)
    assert not third.done()
    writer.acknowledge()
    await asyncio.wait_for(third, 60)


async def test_an_output_that_the_broker_refuses_as_too_large_buries_its_input():
    writer = MemoryWriter()
    writer.failures = [WireError("too large")]
    stage, _, offsets = make(Upper(), writer)
    await push(stage, received(0))
    await settle(stage)
    assert [message.topic for message in writer.written] == ["dead-letters"]
    assert offsets.committable() == {PARTITION_0: 1}


async def test_a_dead_letter_that_is_refused_is_cut_until_it_is_taken():
    class Narrow(MemoryWriter):
        async def send(self, message):
            size = len(message.value or b"") + sum(len(v) for _, v in message.headers)
            if size > 20_000:
                raise WireError("too large")
            return await super().send(message)

    stage, writer, offsets = make(Upper(), Narrow())
    value = b"\xff" + b"x" * 3_000_000
    await push(stage, received(0, value=value, headers=[("h", b"y" * 30_000)]))
    await settle(stage)
    (letter,) = writer.written
    told = dict(letter.headers)
    assert value.startswith(letter.value)
    assert told["backstream.value.length"] == b"3000001"
    assert told["backstream.value.sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert offsets.committable() == {PARTITION_0: 1}


async def test_a_dead_letter_that_nobody_takes_is_waited_for():
    class Closed(MemoryWriter):
        takes = False

        async def send(self, message):
            if not self.takes:
                raise WireError("too large")
            return await super().send(message)

    stage, writer, offsets = make(Upper(), Closed())
    await push(stage, received(0, value=None))
    await until(lambda: stage.unavailable)
    assert "no dead letter can be written" in stage.unavailable
    assert offsets.committable() == {}
    writer.takes = True
    await settle(stage)
    assert stage.unavailable is None
    assert offsets.committable() == {PARTITION_0: 1}


async def test_what_the_client_cannot_decode_is_a_dead_letter_at_once():
    stage, writer, offsets = make(Upper())
    await push(stage, received(0, undecodable="a header name is not UTF-8"), received(1))
    await settle(stage)
    [letter] = [message for message in writer.written if message.topic == "dead-letters"]
    assert dict(letter.headers)[MESSAGE] == b"a header name is not UTF-8"
    assert offsets.committable() == {PARTITION_0: 2}


@pytest.mark.parametrize(
    "error",
    [OSError("disk full"), BrokerUnavailable("no answer"), RemoteUnavailable("answered 503")],
)
async def test_surroundings_are_waited_for_and_nothing_is_blamed(error, caplog):
    class Waiting(Upper):
        fails = True

        async def handle(self, document, at=None):
            if self.fails:
                raise error
            return await super().handle(document, at)

    agent = Waiting()
    stage, writer, offsets = make(agent, policy=StagePolicy(concurrent=True, backoff=0.001))
    await push(stage, received(0, "a"), received(1, "b"))
    await until(lambda: stage.unavailable)
    assert str(error) in stage.unavailable
    assert stage.in_flight == 2
    agent.fails = False
    await until(lambda: not stage.in_flight)
    assert [message.topic for message in writer.written] == ["segments", "segments"]
    assert stage.unavailable is None
    assert offsets.committable() == {PARTITION_0: 2}
    assert caplog.text.count("is tried again") == 1, "not for each message and attempt"


class Shared(Upper):
    """Depends on an engine that fails for some texts, or for all while it is down."""

    def __init__(self, *poison):
        super().__init__()
        self.poison = poison
        self.down = False

    async def handle(self, document, at=None):
        await asyncio.sleep(0)
        if self.down or document.text in self.poison:
            raise EngineError("a batch failed")
        return await super().handle(document, at)

    async def probe(self):
        if self.down:
            raise EngineError("a batch failed")


async def test_an_engine_that_fails_for_every_record_is_no_fault_of_any():
    agent = Shared()
    agent.down = True
    stage, writer, offsets = make(agent, policy=StagePolicy(concurrent=True, backoff=0.001))
    await push(stage, *(received(offset, f"text {offset}") for offset in range(20)))
    await until(lambda: stage.unavailable)
    assert stage.unavailable == "a batch failed"
    assert writer.written == []
    agent.down = False
    await until(lambda: not stage.in_flight)
    assert {message.topic for message in writer.written} == {"segments"}
    assert offsets.committable() == {PARTITION_0: 20}


async def test_a_record_for_which_a_working_engine_fails_is_blamed():
    agent = Shared("bad")
    stage, writer, offsets = make(agent, policy=StagePolicy(concurrent=True, backoff=0.001))
    await push(stage, received(0, "good"), received(1, "bad"), received(2, "fine"))
    await settle(stage)
    await until(lambda: not stage.in_flight)
    assert sorted(message.topic for message in writer.written) == [
        "dead-letters",
        "segments",
        "segments",
    ]
    assert offsets.committable() == {PARTITION_0: 3}


async def test_a_record_that_fails_its_neighbours_is_blamed_alone():
    class Batched(Shared):
        """One bad record fails all that are handled with it."""

        running: ClassVar[set[str]] = set()

        async def handle(self, document, at=None):
            self.running.add(document.text)
            await asyncio.sleep(0)
            together = set(self.running)
            await asyncio.sleep(0)
            self.running.discard(document.text)
            if together & set(self.poison):
                raise EngineError("a batch failed")
            return await Upper.handle(self, document, at)

    stage, writer, offsets = make(
        Batched("bad"), policy=StagePolicy(concurrent=True, backoff=0.001)
    )
    texts = ["bad", *(f"text {number}" for number in range(10))]
    await push(stage, *(received(offset, text) for offset, text in enumerate(texts)))
    await until(lambda: not stage.in_flight)
    topics = Counter(message.topic for message in writer.written)
    assert topics == {"dead-letters": 1, "segments": 10}
    assert offsets.committable() == {PARTITION_0: 11}


async def test_an_engine_that_stopped_ends_the_process_and_blames_nothing():
    class Stopped(Upper):
        async def handle(self, document, at=None):
            raise EngineStopped("the engine is closed")

    told: list[BaseException] = []
    stage, writer, offsets = make(Stopped(), fatal=told.append)
    pushing = asyncio.create_task(push(stage, received(0)))
    await until(lambda: told)
    assert type(told[0]) is EngineStopped
    assert await stage.drain(60)
    await pushing
    assert writer.written == []
    assert offsets.committable() == {}


async def test_an_id_that_was_processed_is_not_processed_again():
    agent = Upper()
    stage, writer, offsets = make(agent, policy=StagePolicy(remember=10))
    await push(stage, received(0))
    await settle(stage)
    await push(stage, received(1), received(2, "other"))
    await settle(stage)
    assert agent.calls == 2
    assert len(writer.written) == 2
    assert offsets.committable() == {PARTITION_0: 3}


async def test_an_id_that_comes_again_while_it_is_in_flight_is_not_paid_for_twice():
    agent = Upper()
    stage, writer, offsets = make(
        agent, MemoryWriter(at_once=False), policy=StagePolicy(concurrent=True, remember=10)
    )
    await push(stage, received(0), received(1), received(2, "other"), received(3))
    await until(lambda: agent.calls == 2)
    assert stage.in_flight == 4
    writer.acknowledge(1)
    await asyncio.sleep(0)
    assert offsets.committable() == {}, (
        "those that wait for the first are not finished before it is"
    )
    writer.acknowledge(0)
    await settle(stage)
    assert agent.calls == 2
    assert offsets.committable() == {PARTITION_0: 4}
    assert stage._attempts.duplicates._open == {}


async def test_where_the_first_of_an_id_dies_the_next_is_tried():
    class Once(Upper):
        async def handle(self, document, at=None):
            self.calls += 1
            await asyncio.sleep(0)
            if self.calls == 1:
                raise EngineError("broken")
            return [segment(document, document.text.upper(), at)]

    agent = Once()
    stage, writer, offsets = make(
        agent, policy=StagePolicy(concurrent=True, remember=10, attempts=1)
    )
    await push(stage, received(0), received(1), received(2))
    await settle(stage)
    assert agent.calls == 2
    assert [m.topic for m in writer.written] == ["dead-letters", "segments"]
    assert offsets.committable() == {PARTITION_0: 3}


async def test_a_dead_id_is_processed_when_it_is_replayed():
    class Mended(Upper):
        broken = True

        async def handle(self, document, at=None):
            if self.broken:
                raise EngineError("broken")
            return await super().handle(document, at)

    agent = Mended()
    stage, writer, _ = make(agent, policy=StagePolicy(remember=10, attempts=1))
    await push(stage, received(0))
    await settle(stage)
    agent.broken = False
    await push(stage, received(1))
    await settle(stage)
    assert [m.topic for m in writer.written] == ["dead-letters", "segments"]


async def test_retractions_become_tombstones_and_rejections_are_counted():
    class Refusing:
        async def handle(self, document, at=None):
            return [
                Retraction("gone"),
                Rejection(id=document.id, stage="test", reason="dull", count=3),
                Segment(id="s", document_id="d", source="", position=0, text="caf\ufffd \ufffd"),
            ]

    metrics = Metrics()

    async def agent_of(partition):
        return Refusing()

    writer = MemoryWriter()
    stage = Stage(
        "test", Processing(decode_document, agent_of), writer, _unexpected, StagePolicy(), metrics
    )
    await push(stage, received(0))
    await settle(stage)
    assert (writer.written[0].topic, writer.written[0].key, writer.written[0].value) == (
        "curated",
        b"gone",
        None,
    )
    assert [message.topic for message in writer.written[1:]] == ["rejected", "segments"]
    replaced = metrics.registry.get_sample_value(
        "backstream_replaced_characters_total", {"stage": "test"}
    )
    assert replaced == 2
    assert (
        metrics.registry.get_sample_value(
            "backstream_rejections_total", {"stage": "test", "reason": "dull"}
        )
        == 3
    )


async def test_each_partition_has_an_agent_and_a_revoked_one_is_made_anew():
    made = []

    async def agent_of(partition):
        made.append(partition)
        return Upper()

    stage = Stage("test", Processing(decode_document, agent_of), MemoryWriter(), _unexpected)
    await push(stage, received(0), received(0, partition=1), received(1))
    stage.revoke({("documents", 0)})
    await push(stage, received(2))
    assert made == [0, 1, 0]


async def test_an_agent_that_cannot_be_restored_is_no_fault_of_a_record():
    failures: list[Exception] = [BrokerUnavailable("refused"), OSError("refused")]
    seen: list[str | None] = []

    async def agent_of(partition):
        seen.append(stage.unavailable)
        if failures:
            raise failures.pop()
        return Upper()

    writer = MemoryWriter()
    stage = Stage(
        "test",
        Processing(decode_document, agent_of),
        writer,
        _unexpected,
        StagePolicy(backoff=0.001),
    )
    await push(stage, received(0), received(1))
    await settle(stage)
    assert [message.topic for message in writer.written] == ["segments", "segments"]
    assert seen[0] is None
    assert "cannot be restored: refused" in (seen[1] or "")
    assert stage.unavailable is None


@pytest.mark.parametrize("end", ["revoked", "closed"])
async def test_a_record_whose_agent_could_not_be_restored_in_time_is_read_again(end):
    async def agent_of(partition):
        raise ConnectionRefusedError("refused")

    writer = MemoryWriter()
    stage = Stage(
        "test",
        Processing(decode_document, agent_of),
        writer,
        _unexpected,
        StagePolicy(backoff=0.001),
    )
    pushing = asyncio.create_task(push(stage, received(0)))
    await until(lambda: stage.in_flight == 1)
    if end == "revoked":
        stage.revoke({PARTITION_0})
    else:
        assert await stage.drain(60)
    await asyncio.wait_for(pushing, 60)
    assert stage.in_flight == 0
    assert writer.written == []
    assert stage.offsets.committable() == {}


async def test_a_drained_stage_takes_nothing_in():
    writer = MemoryWriter(at_once=False)
    stage, _, offsets = make(Upper(), writer)
    await push(stage, received(0, "a"))
    draining = asyncio.create_task(stage.drain(60))
    await asyncio.sleep(0)
    await push(stage, received(1, "b"))
    writer.acknowledge()
    assert await draining
    assert offsets.committable() == {PARTITION_0: 1}
    assert writer.waiting == 0


async def test_an_output_over_the_limit_buries_its_input():
    class Bloating:
        async def handle(self, document, at=None):
            return [segment(document, "x" * (5 * 1024 * 1024))]

    stage, writer, offsets = make(Bloating())
    await push(stage, received(0))
    await settle(stage)
    assert writer.written[0].topic == "dead-letters"
    assert offsets.committable() == {PARTITION_0: 1}


def test_the_decoder_of_other_topics_reads_only_its_record():
    with pytest.raises(Exception, match="schema 'document/1'"):
        partial(decode, Segment)(
            encode(Document(id="x", source="s", text="t")), dict(headers_for(Document))
        )
