"""The models that play the roles: one for both, or one of its own for a role that the settings pin."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from models.catalogue import default_cache, prepare
from models.engine import Budget
from models.serving import ServedModel
from schemas.errors import ModelError, SettingsError
from streams.settings import Role, Settings

log = logging.getLogger(__name__)


async def load_models(
    settings: Settings, serving: Path, loaded: contextlib.ExitStack, roles: Iterable[Role] = tuple(Role)
) -> dict[Role, ServedModel]:
    """A model for each role, closed with ``loaded``: the pinned one, else the release in ``serving``.

    Raises ModelError where the release cannot be loaded, SettingsError where a pinned model cannot: it is not the
    release's fault, so no release is to be refused for it.
    """
    models: dict[Role, ServedModel] = {}
    by_directory: dict[Path, ServedModel] = {}
    budget = threading.Lock()
    for role in roles:
        pinned = settings.pinned(role)
        try:
            directory = await asyncio.to_thread(prepare, pinned, default_cache()) if pinned else serving
            if directory not in by_directory:
                by_directory[directory] = await load_model(settings, directory, budget)
                loaded.callback(by_directory[directory].close)
        except ModelError as error:
            if pinned is None:
                raise
            raise SettingsError(f"{pinned}, which the settings name for the {role} role, cannot be used: {error}") from error
        models[role] = by_directory[directory]
    return models


async def load_model(settings: Settings, directory: Path, budget: Budget | None = None) -> ServedModel:
    """The release in a directory, as the settings want it served. Raises ModelError where it cannot be loaded."""
    model = await ServedModel.load(
        directory,
        device=settings.device,
        threads=settings.threads,
        precision=settings.precision,
        memory_gb=settings.device_memory_gb,
        system=settings.system_prompt,
        budget=budget,
    )
    _tell_of_a_narrow_window(model, settings)
    return model


def _tell_of_a_narrow_window(model: ServedModel, settings: Settings) -> None:
    longest = model.longest_passage(settings.generation.max_tokens)
    if longest < settings.segments.max_characters:
        log.warning(
            "%s has a context window of %s tokens, room for passages of about %s characters: longer ones, up to "
            "segments.max_characters of %s, will be rejected as prompt_too_long",
            model.release,
            f"{model.engine.context_window:,}",
            f"{longest:,}",
            f"{settings.segments.max_characters:,}",
        )
