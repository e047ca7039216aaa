"""Large documents in a process of their own: its bound in time, its deaths, its end."""

import asyncio
import contextlib
import os
import signal
from functools import partial

import psutil
import pytest

from agents.segmenter import Segmenter, SegmenterSettings
from schemas.errors import TimeLimitExceeded, WireError
from schemas.records import Document, Segment
from schemas.wire import decode, decode_document, header_map
from streams.kafka.messages import Received
from streams.stages.agent.child import run
from streams.stages.agent.process import LARGE, AgentProcess
from streams.stages.agent.protocol import Processing
from streams.stages.harness.policy import StagePolicy
from streams.stages.harness.stage import Stage
from tests.integration.conftest import passage
from tests.unit.made_files import epub
from tests.unit.memory_writer import MemoryWriter

_TEXT = "\n".join(passage(number) for number in range(20))


def received(offset: int, text: str = _TEXT, content_type: str = "text/plain") -> Received:
    headers = [("content-type", content_type.encode())]
    return Received("documents", 0, offset, b"source", text.encode(), headers)


class Trap:
    """An agent that does what the text says."""

    async def handle(self, document: Document, at: object = None) -> list[Segment]:
        words = document.text.split(maxsplit=1)[0]
        if words == "loop":
            while True:
                pass
        if words == "count":  # one call that holds the interpreter's lock
            pow(3, 10**9)
        if words == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if words == "eat":
            bytearray(4 * 1024**3)
        if words == "raise":
            raise ZeroDivisionError("by the document")
        if words == "refuse":
            raise WireError("no document")
        return [Segment(id="s", document_id=document.id, source="s", position=0, text="text")]


def trap(seconds: float = 60) -> AgentProcess:
    return AgentProcess(Trap, decode_document, seconds)


def filled(word: str) -> str:
    return f"{word} {'.' * 10_000}"


async def test_a_cancellation_while_it_ends_leaves_no_child() -> None:
    process = trap()
    await process.process(received(0, filled("answer")))
    child = await _child()
    ending = asyncio.create_task(process.__aexit__())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert not child.is_running()


async def test_it_writes_what_the_agent_would() -> None:
    settings = SegmenterSettings()
    document = decode_document(_TEXT.encode(), {}, b"source")
    expected = await Segmenter(settings).handle(document)
    async with AgentProcess(partial(Segmenter, settings), decode_document, 60) as process:
        assert process.takes(received(0))
        id, outputs = await process.process(received(7))
    assert id == document.id
    found = [output.message for output in outputs]
    assert [message.key for message in found] == [it.id.encode() for it in expected]
    segment = decode(Segment, found[0].value, header_map(found[0].headers))
    assert segment.document_at is not None
    assert segment.document_at.offset == 7


def test_small_messages_stay() -> None:
    process = trap()
    small = received(0, "text")
    assert not process.takes(small)
    assert not process.takes(small._replace(key=None, value=None, headers=()))
    assert process.takes(small._replace(value=bytes(LARGE + 1)))
    assert process.takes(small._replace(key=bytes(LARGE + 1)))
    assert process.takes(small._replace(headers=[("h", None), ("i", bytes(LARGE + 1))]))  # type: ignore[list-item]


async def test_other_formats_are_converted_in_the_child_at_any_size() -> None:
    book = epub({"a": f"<h1>Locks</h1><p>{passage(1)}</p>"})
    assert len(book) < LARGE
    settings = SegmenterSettings(min_characters=100)
    one = received(0, "", "application/epub+zip")._replace(value=book)
    async with AgentProcess(partial(Segmenter, settings), decode_document, 60) as process:
        assert process.takes(one)
        _, outputs = await process.process(one)
        with pytest.raises(WireError, match="an EPUB file that is damaged"):
            await process.process(one._replace(value=book[:-30]))
    segment = decode(Segment, outputs[0].message.value, header_map(outputs[0].message.headers))
    assert segment.headings == ("Locks",)


async def test_one_that_takes_too_long_is_ended_and_the_others_are_processed() -> None:
    async with trap(0.3) as process:
        results = await asyncio.gather(
            *(process.process(received(n, filled(w))) for n, w in enumerate(["a", "count", "b"])),
            return_exceptions=True,
        )
    first, slow, last = results
    assert isinstance(slow, TimeLimitExceeded)
    assert "longer than 0.3 s of CPU" in str(slow)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert first[0] != last[0]


async def test_errors_come_back_with_their_trace() -> None:
    async with trap() as process:
        with pytest.raises(WireError, match="no document"):
            await process.process(received(0, filled("refuse")))
        with pytest.raises(RuntimeError, match="ZeroDivisionError: by the document") as caught:
            await process.process(received(1, filled("raise")))
        with pytest.raises(WireError, match="is not UTF-8"):
            await process.process(received(2)._replace(value=b"\xff" * 10_000))
        with pytest.raises(WireError, match="takes more than 2,147,483,648 bytes"):
            await process.process(received(3, filled("eat")))
        assert await process.process(received(3, filled("fine")))
    assert any("in handle" in note for note in caught.value.__notes__)


async def _child() -> psutil.Process:
    child_module = run.__module__
    async with asyncio.timeout(180):
        while True:
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.ZombieProcess):  # left by another test
                    if child_module in " ".join(child.cmdline()):
                        return child
            await asyncio.sleep(0.05)


async def test_a_killed_process_is_started_again() -> None:
    async with trap() as process:
        assert await process.process(received(0, filled("fine")))
        (await _child()).kill()
        async with asyncio.timeout(180):
            while True:
                try:
                    assert await process.process(received(1, filled("fine")))
                    break
                except RuntimeError:  # the message that was sent to the dying process
                    continue
        with pytest.raises(RuntimeError, match="status -9"):
            await process.process(received(2, filled("die")))


async def test_it_ends_at_once_with_its_owner_although_it_is_busy() -> None:
    async with trap() as process:
        call = asyncio.create_task(process.process(received(0, filled("loop"))))
        child = await _child()
    assert not child.is_running()
    call.cancel()


async def test_no_process_is_no_fault_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    async with trap() as process:
        for _ in range(2):
            with pytest.raises(OSError, match="nowhere"):
                await process.process(received(0))


async def test_a_stage_goes_on_while_a_document_is_stuck_and_then_buries_it() -> None:
    writer = MemoryWriter()
    agent = Segmenter()

    async def agent_of(partition: int) -> Segmenter:
        return agent

    def fail(error: BaseException) -> None:
        raise AssertionError(f"fatal: {error!r}")

    async with trap(1.0) as process:
        stage = Stage(
            "test",
            Processing(decode_document, agent_of, process),
            writer,
            fail,
            StagePolicy(attempts=2),
        )
        words = ["loop", "die", "raise", "fine"]
        for offset, word in enumerate(words):
            await stage.accept(received(offset, filled(word)))
        await stage.accept(received(len(words), "small"))
        assert len(writer.written) == 1, "the small one was processed in line"
        assert await stage.wait_idle(60)
    topics = sorted(message.topic for message in writer.written)
    assert topics == ["dead-letters"] * 3 + ["rejected", "segments"]
    assert stage.offsets.committable() == {("documents", 0): 5}
