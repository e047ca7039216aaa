"""Which model plays which role, and whose fault it is where one cannot be loaded."""

import asyncio
from pathlib import Path

import pytest

from schemas.errors import ModelError, SettingsError
from streams.settings import Role, Settings
from streams.worker.role_models import RoleModels


def _load(settings: Settings, serving: Path) -> RoleModels:
    models = asyncio.run(RoleModels.load(settings, serving))
    models.close()
    return models


def test_one_release_plays_both_roles_and_is_loaded_once(house: Path) -> None:
    models = _load(Settings(), house)
    assert models.handles[Role.BACKWARD] is models.handles[Role.FORWARD]
    assert models.following == set(Role)


def test_a_pinned_role_does_not_follow_though_its_model_is_the_same(house: Path) -> None:
    models = _load(Settings(forward="house"), house)
    assert models.following == {Role.BACKWARD}
    one, other = (models.handles[role].model for role in Role)
    assert one is other, "the same weights share one engine"


def test_a_pinned_role_keeps_its_model_when_the_release_changes(house: Path) -> None:
    async def change() -> None:
        models = await RoleModels.load(Settings(forward="house"), house)
        try:
            await models.replace(house, term=7)
            one, other = (models.handles[role].model for role in (Role.BACKWARD, Role.FORWARD))
            assert (one.term, other.term) == (7, 0)
            assert (await other.rate("Name three birds.", "Robin, wren, owl.", None)).term == 0, (
                "it was not closed"
            )
        finally:
            models.close()

    asyncio.run(change())


def test_a_release_that_does_not_load_is_a_models_fault(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        _load(Settings(), tmp_path)


def test_a_pinned_model_that_does_not_load_is_not_the_releases_fault(
    house: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"for the forward role, cannot be used"):
        _load(Settings(forward=str(tmp_path)), house)
