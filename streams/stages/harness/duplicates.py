"""Which ids were processed before, so that a record that comes again is not processed again."""

import asyncio

from streams.stages.harness.in_flight import InFlight


class Duplicates:
    """The last processed ids of a stage, and the ids that are in flight.

    With ``remember`` = 0 there are no duplicates.
    """

    def __init__(self, remember: int) -> None:
        self.are_found = remember > 0
        """Whether any are looked for."""
        self._remember = remember
        self._processed: dict[str, None] = {}
        self._open: dict[str, InFlight] = {}

    async def check(self, message: InFlight, id: str) -> bool:
        """Whether the id was processed before. Waits while another message with it is in flight.

        A passage often comes several times at once, from pages that quote each other.
        """
        if self._open.get(id) is message:
            return False
        message.id = id
        while (other := self._open.get(id)) is not None:
            other.same_id = other.same_id or asyncio.Event()
            await other.same_id.wait()
        if id in self._processed:
            message.outcome = "duplicate"
            return True
        if message.in_task:
            self._open[id] = message
        return False

    def note_processed(self, message: InFlight) -> None:
        """Remember the id of a message that was processed."""
        if self._remember and message.id:
            self._processed[message.id] = None
            if len(self._processed) > self._remember:
                del self._processed[next(iter(self._processed))]

    def note_ended(self, message: InFlight) -> None:
        """Let the next message with the same id be checked."""
        if self._open.get(message.id) is message:
            del self._open[message.id]
        if message.same_id is not None:
            message.same_id.set()
