"""The bounded queue between event loops, which must not block, and the thread of a replica, which
may.
"""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.errors import EngineError

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Ticket:
    """A caller that waits for room."""

    loop: asyncio.AbstractEventLoop
    admitted: "asyncio.Future[None]"
    granted: bool = False


class Inbox(Generic[T]):
    """Admits at most ``capacity`` items that are not yet released; callers of any event loop wait
    their turn for the rest.
    """

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._items: deque[T] = deque()
        self._tickets: deque[_Ticket] = deque()
        self._closed: str | None = None
        self._changed = threading.Condition()  # guards all of the above

    @property
    def closed(self) -> bool:
        """Whether nothing more is admitted."""
        return self._closed is not None

    async def put(self, item: T) -> None:
        """Add an item, once there is room. Raises EngineError once closed."""
        with self._changed:
            self._refuse_if_closed()
            if self._free and not self._tickets:
                self._free -= 1
                self._append(item)
                return
            loop = asyncio.get_running_loop()
            ticket = _Ticket(loop, loop.create_future())
            self._tickets.append(ticket)
        try:
            await ticket.admitted
        except asyncio.CancelledError:
            self._give_up(ticket)
            raise
        with self._changed:
            self._refuse_if_closed()
            self._append(item)

    def take(self, *, wait: bool) -> list[T] | None:
        """Everything that has arrived, oldest first; with ``wait``, at least one item. None once
        closed.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._items or self._closed is not None)
            if self._closed is not None:
                return None
            items = list(self._items)
            self._items.clear()
            return items

    def release(self) -> None:
        """Say that one admitted item is done: the caller who has waited longest comes in."""
        with self._changed:
            self._free += 1
            self._admit()

    def close(self, reason: str) -> list[T]:
        """Admit nothing more and wake everyone. Returns the items that nobody took. The first
        reason stays.
        """
        with self._changed:
            if self._closed is None:
                self._closed = reason
            for ticket in self._tickets:
                _wake(ticket)
            self._tickets.clear()
            self._changed.notify_all()
            items = list(self._items)
            self._items.clear()
            return items

    def _append(self, item: T) -> None:
        self._items.append(item)
        self._changed.notify_all()

    def _admit(self) -> None:
        while self._free and self._tickets:
            ticket = self._tickets.popleft()
            if _wake(ticket):
                ticket.granted = True
                self._free -= 1

    def _give_up(self, ticket: _Ticket) -> None:
        """A caller was cancelled while it waited, or just after it was let in: then its place goes
        to the next.
        """
        with self._changed:
            if ticket.granted:
                self._free += 1
                self._admit()
            elif ticket in self._tickets:
                self._tickets.remove(ticket)

    def _refuse_if_closed(self) -> None:
        if self._closed is not None:
            raise EngineError(self._closed)


def _wake(ticket: _Ticket) -> bool:
    """Wake the caller; False where its loop is closed."""

    def admit() -> None:
        if not ticket.admitted.done():
            ticket.admitted.set_result(None)

    try:
        ticket.loop.call_soon_threadsafe(admit)
    except RuntimeError:
        return False
    return True
