"""Runs an agent on large messages in a child process, with a bound in time.

Reading and cutting a document takes time that its author chooses. In the process of the stages it
would hold up the event loop, and with it every other stage, and a thread can neither be ended nor
kept from holding the interpreter's lock.
"""

import asyncio
import contextlib
import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.errors import TimeLimitExceeded
from schemas.wire import header_map, is_converted
from streams.kafka.messages import Received
from streams.stages.agent.child import LENGTH, Answer, Job, frame, run
from streams.stages.agent.outputs import Output
from streams.stages.agent.protocol import Agent, MessageDecoder

LARGE = 8 * 1024
"""Messages of more bytes go to the child. The slowest known document of this size takes 60 ms."""


@dataclass(eq=False, slots=True)
class _Call:
    """A message that is not answered, and where its caller waits."""

    received: Received
    answer: "asyncio.Future[Answer]"


class AgentProcess:
    """One child, started with the first message. Use as an async context manager."""

    def __init__(self, make: Callable[[], Agent], decode: MessageDecoder, seconds: float) -> None:
        """``make`` and ``decode`` can be pickled. ``seconds`` of CPU are given to each message."""
        self._job = Job(make, decode, seconds)
        self._calls: deque[_Call] = deque()  # in the order in which they are sent and answered
        self._arrived = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "AgentProcess":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is None:
            return
        self._running.cancel()
        cancelled = False
        while not self._running.done():  # it kills the child, so this does not take long
            try:
                await asyncio.wait([self._running])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    def takes(self, received: Received) -> bool:
        """Whether a message is large enough, or has to be converted."""
        size = len(received.value or b"") + len(received.key or b"")
        if size > LARGE or is_converted(header_map(received.headers)):
            return True
        return size + sum(len(value or b"") for _, value in received.headers) > LARGE

    async def process(self, received: Received) -> tuple[str, list[Output]]:
        """Decode and handle a message. Returns its record's id and what is written for it.

        Raises TimeLimitExceeded; RuntimeError where the child ended on the message; OSError where
        no child can be started; and what decoding and handling raise.
        """
        call = _Call(received, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._arrived.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        answer = await call.answer
        if answer.error is not None:
            raise answer.error
        return answer.id, list(answer.outputs)

    async def _run(self) -> None:
        """Start a child whenever there are messages, and another when it has ended."""
        while True:
            if not self._calls:
                await self._arrived.wait()
            try:
                child = await _start()
            except OSError as error:
                self._fail_all(error)
                continue
            try:
                await self._converse(child)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def _converse(self, child: asyncio.subprocess.Process) -> None:
        """Exchange messages and answers until the child ends, which is the first one's fault."""
        assert child.stdin is not None
        assert child.stdout is not None
        sending: asyncio.Task[None] | None = None
        try:
            child.stdin.write(frame(self._job))
            await _next_frame(child.stdout)
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await child.wait()
            self._fail_all(OSError(f"the process for documents ended at once: {status}"))
            return
        try:
            sending = asyncio.create_task(self._send_all(child.stdin))
            while True:
                answer = await _next_frame(child.stdout)
                self._settle(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            if self._calls:
                self._settle(Answer(error=self._blame(await child.wait())))
        finally:
            if sending is not None:
                sending.cancel()

    async def _send_all(self, pipe: asyncio.StreamWriter) -> None:
        """Send what is not answered, and then what arrives."""
        sent: set[_Call] = set()
        with contextlib.suppress(ConnectionError):
            while True:
                self._arrived.clear()
                for call in [call for call in self._calls if call not in sent]:
                    sent.add(call)
                    pipe.write(frame(call.received))
                    await pipe.drain()
                sent.intersection_update(self._calls)
                await self._arrived.wait()

    def _settle(self, answer: Answer) -> None:
        """Deliver the answer to the first message."""
        call = self._calls.popleft()
        if not call.answer.done():
            call.answer.set_result(answer)

    def _fail_all(self, error: OSError) -> None:
        while self._calls:
            self._settle(Answer(error=error))
        self._arrived.clear()

    def _blame(self, status: int) -> Exception:
        if status == -signal.SIGPROF:
            return TimeLimitExceeded(
                f"reading and cutting the document took longer than {self._job.seconds:g} s of CPU "
                "(segments.max_seconds)"
            )
        return RuntimeError(f"the process that read the document ended with status {status}")


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",  # not -m: the classes of its frames must be those of the module
        f"from {run.__module__} import run; run()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


async def _next_frame(stream: asyncio.StreamReader) -> Any:
    head = await stream.readexactly(LENGTH.size)
    return pickle.loads(await stream.readexactly(LENGTH.unpack(head)[0]))
