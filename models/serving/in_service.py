"""The model in service: agents borrow it for one record at a time, so that it can change between
two records.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.serving.served_model import ServedModel


class InService:
    """Which model serves, and how many records each model is at work on. It does not own the
    models. On one event loop.
    """

    def __init__(self, model: ServedModel) -> None:
        self.model = model
        """What serves now. To work with it, borrow it."""
        self._borrowed: dict[int, int] = {}  # id of a model to the records that it is at work on
        self._returned = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    @property
    def release(self) -> str:
        """Id of the release in service."""
        return self.model.release

    @property
    def device(self) -> str:
        """Where it computes: ``cpu`` or ``cuda``."""
        return self.model.engine.device

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[ServedModel]:
        """The model for one record: the same from its beginning to its end, whatever takes service
        meanwhile.
        """
        await self._open.wait()
        model = self.model
        self._borrowed[id(model)] = self._borrowed.get(id(model), 0) + 1
        try:
            yield model
        finally:
            self._borrowed[id(model)] -= 1
            if not self._borrowed[id(model)]:
                del self._borrowed[id(model)]
                self._returned.set()

    def hold(self) -> None:
        """Lend nothing until ``resume``: the model is out of service, and the next one is not there
        yet.
        """
        self._open.clear()

    def resume(self) -> None:
        """Lend again."""
        self._open.set()

    async def change(self, model: ServedModel) -> ServedModel:
        """Have ``model`` serve from the next record on; returns the one before it, once no record
        is at work with it.
        """
        before, self.model = self.model, model
        while id(before) in self._borrowed:
            self._returned.clear()
            await self._returned.wait()
        return before
