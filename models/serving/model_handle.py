"""A handle on the deployed model, through which agents use it for one record at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.serving.role_model import RoleModel


class ModelHandle:
    """Refers to the deployed model, and counts the records that use each model.

    The model is replaced between two records. The handle does not own the models. It belongs to one
    event loop.
    """

    def __init__(self, model: RoleModel) -> None:
        self.model = model
        """The deployed model. To use it, ``borrow`` it."""
        self._borrowed: dict[int, int] = {}  # id() of a model to the number of records that use it
        self._returned = asyncio.Event()
        self._lending = asyncio.Event()
        self._lending.set()

    @property
    def release(self) -> str:
        """Id of the deployed release."""
        return self.model.release

    @property
    def device(self) -> str:
        """Where the model computes: ``cpu``, ``cuda``, or ``remote``."""
        return self.model.device

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[RoleModel]:
        """Lend the model for one record, which keeps it to its end even if it is replaced."""
        await self._lending.wait()
        model = self.model
        self._borrowed[id(model)] = self._borrowed.get(id(model), 0) + 1
        try:
            yield model
        finally:
            self._borrowed[id(model)] -= 1
            if not self._borrowed[id(model)]:
                del self._borrowed[id(model)]
                self._returned.set()

    async def probe(self) -> None:
        """See whether the deployed model works, without a record. Raises where it does not."""
        async with self.borrow() as model:
            await model.probe()

    def pause(self) -> None:
        """Lend nothing until ``resume``: records that begin wait for the next model."""
        self._lending.clear()

    def resume(self) -> None:
        """Lend again."""
        self._lending.set()

    async def replace(self, model: RoleModel) -> RoleModel:
        """Lend ``model`` from the next record on; return the previous one once it is unused."""
        previous, self.model = self.model, model
        while id(previous) in self._borrowed:
            self._returned.clear()
            await self._returned.wait()
        return previous
