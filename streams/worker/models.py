"""The models that play the roles of a process: one for both, or one of its own for a role that the
settings pin.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from models.engine import ThreadBudget
from models.releases.catalogue import default_cache, prepare
from models.serving.in_service import InService
from models.serving.served_model import ServedModel
from schemas.errors import ModelError, SettingsError
from streams.settings import Role, Settings

log = logging.getLogger(__name__)


class Models:
    """The models of a process. It owns them: ``close`` gives their memory back.

    Roles that no setting pins share one service, whose model changes with the release.
    """

    def __init__(
        self,
        settings: Settings,
        pinned: Mapping[Role, ServedModel],
        following: Mapping[Role, InService],
        budget: ThreadBudget,
    ) -> None:
        """Use ``load``."""
        self._settings = settings
        self._pinned = pinned
        self._following = following
        self._budget = budget
        self.services: Mapping[Role, InService] = {
            **{role: InService(m) for role, m in pinned.items()},
            **following,
        }
        """What plays each role."""

    @classmethod
    async def load(
        cls, settings: Settings, serving: Path, roles: Iterable[Role] = tuple(Role), term: int = 0
    ) -> "Models":
        """A model for each role: the pinned one, else the release in ``serving``, whose service has
        the number ``term``.

        Raises ModelError where the release cannot be loaded, SettingsError where a pinned model
        cannot: it is not the release's fault, so no release is to be refused for it.
        """
        budget = ThreadBudget(settings.threads)
        loaded: dict[Path, ServedModel] = {}
        pinned: dict[Role, ServedModel] = {}
        follow: list[Role] = []
        try:
            for role in roles:
                name = settings.pinned(role)
                if name is None:
                    follow.append(role)
                else:
                    pinned[role] = await _load_pinned(settings, role, name, loaded, budget)
            following: dict[Role, InService] = {}
            if follow:
                if serving not in loaded:
                    loaded[serving] = await load_model(settings, serving, budget, term)
                following = dict.fromkeys(follow, InService(loaded[serving]))
        except BaseException:
            for model in loaded.values():
                model.close()
            raise
        return cls(settings, pinned, following, budget)

    @property
    def follows(self) -> frozenset[Role]:
        """The roles whose model changes with the release."""
        return frozenset(self._following)

    @property
    def release(self) -> str | None:
        """The release that the roles which follow releases serve; None where all are pinned, or
        there are none.
        """
        return next((service.release for service in self._following.values()), None)

    async def change(self, directory: Path, term: int) -> None:
        """Load another release beside the one in service, have it serve, and close the one before
        it when it is done.

        Records go on meanwhile, each with one model from its beginning to its end. Raises
        ModelError where the release cannot be loaded: then nothing has changed.
        """
        service = self._one_that_follows()
        before = await service.change(
            await load_model(self._settings, directory, self._budget, term)
        )
        if all(before is not model for model in self._pinned.values()):
            await asyncio.to_thread(before.close)

    @asynccontextmanager
    async def held_after(self, seconds: float) -> AsyncIterator[None]:
        """While the block runs longer than this, the roles that follow releases begin no record."""
        service = self._one_that_follows()
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), service.hold)
        try:
            yield
        finally:
            timer.cancel()
            service.resume()

    def _one_that_follows(self) -> InService:
        return next(iter(self._following.values()))

    def close(self) -> None:
        """Close every model."""
        for service in self.services.values():
            service.model.close()


async def _load_pinned(
    settings: Settings, role: Role, name: str, loaded: dict[Path, ServedModel], budget: ThreadBudget
) -> ServedModel:
    try:
        directory = await asyncio.to_thread(prepare, name, default_cache())
        if directory not in loaded:
            loaded[directory] = await load_model(settings, directory, budget)
    except ModelError as error:
        raise SettingsError(
            f"{name}, which the settings name for the {role} role, cannot be used: {error}"
        ) from error
    return loaded[directory]


async def load_model(
    settings: Settings, directory: Path, budget: ThreadBudget | None = None, term: int = 0
) -> ServedModel:
    """The release in a directory, as the settings want it served. Raises ModelError where it cannot
    be loaded.
    """
    model = await ServedModel.load(
        directory,
        device=settings.device,
        threads=settings.threads,
        precision=settings.precision,
        memory_gb=settings.device_memory_gb,
        system=settings.system_prompt,
        budget=budget,
        term=term,
    )
    _tell_of_a_narrow_window(model, settings)
    return model


def _tell_of_a_narrow_window(model: ServedModel, settings: Settings) -> None:
    longest = model.longest_passage(settings.generation.max_tokens)
    if longest < settings.segments.max_characters:
        log.warning(
            "%s has a context window of %s tokens, room for passages of about %s characters: "
            "longer ones, up to "
            "segments.max_characters of %s, will be rejected as prompt_too_long",
            model.release,
            f"{model.engine.context_window:,}",
            f"{longest:,}",
            f"{settings.segments.max_characters:,}",
        )
