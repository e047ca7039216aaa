"""Which model plays which role, and whose fault it is where one cannot be loaded."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from models.catalogue import default_cache, prepare
from models.serving import ServedModel
from schemas.errors import ModelError, SettingsError
from streams.roles import load_models
from streams.settings import Role, Settings


@pytest.fixture(scope="module")
def house() -> Path:
    return prepare("house", default_cache())


def _load(settings: Settings, serving: Path) -> dict[Role, ServedModel]:
    with contextlib.ExitStack() as loaded:
        return asyncio.run(load_models(settings, serving, loaded))


def test_one_release_plays_both_roles_and_is_loaded_once(house: Path) -> None:
    models = _load(Settings(), house)
    assert models[Role.BACKWARD] is models[Role.FORWARD]


def test_a_release_that_does_not_load_is_a_models_fault(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        _load(Settings(), tmp_path)


def test_a_pinned_model_that_does_not_load_is_not_the_releases_fault(house: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"for the forward role, cannot be used"):
        _load(Settings(forward=str(tmp_path)), house)
