"""The bounded queue from event loops, which must not block, to a replica's thread, which may."""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.errors import EngineStopped

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Waiter:
    """A caller that waits for room."""

    loop: asyncio.AbstractEventLoop
    admitted: "asyncio.Future[None]"
    granted: bool = False


class Inbox(Generic[T]):
    """Holds at most ``capacity`` items that are not released. Further callers wait in order."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._items: deque[T] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._closed: str | None = None
        self._changed = threading.Condition()  # guards all of the above

    @property
    def closed(self) -> bool:
        """Whether nothing more is admitted."""
        return self._closed is not None

    async def put(self, item: T) -> None:
        """Add an item, once there is room. Raises EngineStopped once closed."""
        with self._changed:
            self._raise_if_closed()
            if self._free and not self._waiters:
                self._free -= 1
                self._append(item)
                return
            loop = asyncio.get_running_loop()
            waiter = _Waiter(loop, loop.create_future())
            self._waiters.append(waiter)
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            self._cancel(waiter)
            raise
        with self._changed:
            self._raise_if_closed()
            self._append(item)

    def take(self, *, wait: bool) -> list[T] | None:
        """Remove and return all items, oldest first; None once closed.

        With ``wait``, blocks until there is an item.
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
        """Note that one admitted item is done. The caller that has waited longest is admitted."""
        with self._changed:
            self._free += 1
            self._admit()

    def close(self, reason: str) -> list[T]:
        """Admit nothing more, and wake all callers with EngineStopped. Returns the remaining items.

        A second call does not change the reason.
        """
        with self._changed:
            if self._closed is None:
                self._closed = reason
            for waiter in self._waiters:
                _wake(waiter)
            self._waiters.clear()
            self._changed.notify_all()
            items = list(self._items)
            self._items.clear()
            return items

    def _append(self, item: T) -> None:
        self._items.append(item)
        self._changed.notify_all()

    def _admit(self) -> None:
        while self._free and self._waiters:
            waiter = self._waiters.popleft()
            if _wake(waiter):
                waiter.granted = True
                self._free -= 1

    def _cancel(self, waiter: _Waiter) -> None:
        """Remove a cancelled caller. If it had just been admitted, the next one is instead."""
        with self._changed:
            if waiter.granted:
                self._free += 1
                self._admit()
            elif waiter in self._waiters:
                self._waiters.remove(waiter)

    def _raise_if_closed(self) -> None:
        if self._closed is not None:
            raise EngineStopped(self._closed)


def _wake(waiter: _Waiter) -> bool:
    """Wake the caller. Returns False where its loop is closed."""

    def admit() -> None:
        if not waiter.admitted.done():
            waiter.admitted.set_result(None)

    try:
        waiter.loop.call_soon_threadsafe(admit)
    except RuntimeError:
        return False
    return True
