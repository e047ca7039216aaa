"""The model directories of a command: exported on first use."""

from pathlib import Path

from models.prompts.templates import BUILT_IN, Templates
from models.releases import catalogue
from models.releases.cache import default_cache
from models.remote.address import is_remote
from schemas.errors import ModelError
from streams.cli.console import notice
from streams.settings import Role, Settings


def prepare(model: str, templates: Templates = BUILT_IN) -> Path:
    """Return the release directory of a model, and export it if it is not in the cache.

    ``templates`` are the user's own, if any.

    Raises ModelError.
    """
    if is_remote(model):
        raise ModelError(
            "a model that is served elsewhere is not exported: name it with --backward or "
            "--forward, and try it with `backstream check` and `backstream preview`"
        )
    return catalogue.prepare(model, default_cache(), templates=templates, progress=notice)


def prepare_base(settings: Settings) -> Path:
    """Prepare the model that is trained; return its directory. Raises ModelError, SettingsError."""
    return prepare(settings.model, settings.templates())


def prepare_all(settings: Settings) -> Path:
    """Prepare every local model that the settings name; return the directory of ``model``.

    Raises ModelError, and SettingsError for a prompts file that cannot be used.
    """
    templates = settings.templates()
    for role in Role:
        if (pinned := settings.pinned(role)) and not is_remote(pinned):
            prepare(pinned, templates)
    return prepare(settings.model, templates)
