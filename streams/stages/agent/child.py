"""The process in which large documents are read and cut. ``process.py`` starts it.

Frames of pickled objects come on the standard input and go to the standard output. The first one
says what to run. Reading and cutting a document may take a number of seconds of CPU; then the
kernel ends this process, whatever it is doing, by a signal that nothing else sends.
"""

import asyncio
import os
import pickle
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

from models.child_process import end_with_parent
from schemas.errors import BackstreamError, WireError
from schemas.records import Offset
from schemas.wire import header_map
from streams.kafka.messages import Received
from streams.kafka.writing.encoder import Encoder
from streams.stages.agent.outputs import Output, encode_all
from streams.stages.agent.protocol import Agent, MessageDecoder

_MEMORY = 2 * 1024**3
"""Bytes that the process may allocate. Half as much was seen for a hostile document of 4 MB."""
LENGTH = struct.Struct(">Q")
"""Precedes each frame."""


class Job(NamedTuple):
    """What the process does. Its functions are found by their names."""

    make: Callable[[], Agent]
    decode: MessageDecoder
    seconds: float
    """CPU time for one message."""


class Answer(NamedTuple):
    """The outcome of one message: its record's id and outputs, or an error."""

    id: str = ""
    outputs: tuple[Output, ...] = ()
    error: Exception | None = None


def frame(value: Any) -> bytes:
    """An object as bytes, after their number."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


def run() -> None:
    """Answer messages until the input ends."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which drains
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    messages = sys.stdin.buffer
    job: Job | None = _next_frame(messages)
    if job is None:
        return
    agent, encode = job.make(), Encoder()
    with asyncio.Runner() as runner:
        _send(answers, None)
        while (received := _next_frame(messages)) is not None:
            signal.setitimer(signal.ITIMER_PROF, job.seconds)
            answer = _answer(runner, agent, job.decode, encode, received)
            signal.setitimer(signal.ITIMER_PROF, 0)
            _send(answers, answer)


def _answer(
    runner: asyncio.Runner,
    agent: Agent,
    decode: MessageDecoder,
    encode: Encoder,
    received: Received,
) -> Answer:
    try:
        record = decode(received.value, header_map(received.headers), received.key)
        at = Offset(topic=received.topic, partition=received.partition, offset=received.offset)
        outcomes = runner.run(agent.handle(record, at))  # type: ignore[arg-type]  # a coroutine
        return Answer(record.id, tuple(encode_all(outcomes, encode)))
    except MemoryError:
        return Answer(
            error=WireError(f"reading and cutting the document takes more than {_MEMORY:,} bytes")
        )
    except Exception as error:
        return Answer(error=_portable(error))


def _portable(error: Exception) -> Exception:
    """The error as one that can be pickled, with its stack trace as a note."""
    if not isinstance(error, BackstreamError):
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    return error


def _next_frame(file: BinaryIO) -> Any:
    """The next object. None at the end: the parent has gone or closed the pipe."""
    head = file.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    data = file.read(LENGTH.unpack(head)[0])
    return pickle.loads(data)


def _send(file: BinaryIO, value: Any) -> None:
    file.write(frame(value))
    file.flush()
