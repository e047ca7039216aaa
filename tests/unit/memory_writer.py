"""An in-memory Writer that can fail on cue."""

import asyncio

from streams.kafka.messages import Message


class MemoryWriter:
    """Acknowledges at once, or in ``acknowledge``.

    ``refusals`` are raised by the first sends. ``failures`` are the errors of the first futures.
    """

    unavailable: str | None = None

    def __init__(self, *, at_once: bool = True) -> None:
        self.written: list[Message] = []
        self.failures: list[Exception] = []
        self.refusals: list[Exception] = []
        self._at_once = at_once
        self._waiting: list[tuple[Message, asyncio.Future[None]]] = []

    async def send(self, message: Message) -> "asyncio.Future[None]":
        if self.refusals:
            raise self.refusals.pop(0)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failures:
            future.set_exception(self.failures.pop(0))
        elif self._at_once:
            self.written.append(message)
            future.set_result(None)
        else:
            self._waiting.append((message, future))
        return future

    def acknowledge(self, index: int = 0) -> None:
        """Acknowledge one of the waiting messages."""
        message, future = self._waiting.pop(index)
        self.written.append(message)
        future.set_result(None)

    @property
    def waiting(self) -> int:
        return len(self._waiting)
