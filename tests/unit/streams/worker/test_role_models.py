"""Which model plays which role, and which error is raised where one cannot be loaded."""

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import cast

import pytest

from agents.curation.settings import CuratorSettings
from models.engine import ThreadBudget
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from schemas.errors import ModelError, SettingsError
from streams.settings import Role, Settings
from streams.worker.role_models import RoleModels


def _load(settings: Settings, serving: Path) -> RoleModels:
    models = asyncio.run(RoleModels.load(settings, serving))
    asyncio.run(models.aclose())
    return models


def test_one_release_plays_both_roles_and_is_loaded_once(house: Path) -> None:
    models = _load(Settings(), house)
    assert models.handles[Role.BACKWARD] is models.handles[Role.FORWARD]
    assert models.following == set(Role)


def test_a_release_without_a_judge_is_warned_of(
    house: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    release = shutil.copytree(house, tmp_path / "release")
    manifest = json.loads((release / "manifest.json").read_text())
    del manifest["judges"]  # As a manifest of an earlier version.
    (release / "manifest.json").write_text(json.dumps(manifest))
    _load(Settings(curation=CuratorSettings(target_precision=0.9)), release)
    assert "has no judge: it rates by digits" in caplog.text
    assert "curation.threshold 4 holds in place of curation.target_precision" in caplog.text


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
            assert isinstance(one, ServedModel)
            assert isinstance(other, ServedModel)
            assert (one.term, other.term) == (7, 0)
            assert (await other.rate("Name three birds.", "Robin, wren, owl.", None)).term == 0, (
                "it was not closed"
            )
        finally:
            await models.aclose()

    asyncio.run(change())


def test_a_release_that_does_not_load_is_a_models_fault(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        _load(Settings(), tmp_path)


def test_a_pinned_model_that_does_not_load_is_not_the_releases_fault(
    house: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"for the forward role, cannot be used"):
        _load(Settings(forward=str(tmp_path)), house)


def _following(handle: ModelHandle) -> RoleModels:
    return RoleModels(Settings(), {}, {Role.FORWARD: handle}, ThreadBudget(1))


async def _lends(handle: ModelHandle) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05), handle.borrow():
            return True
    return False


async def test_records_wait_while_a_release_loads_for_too_long() -> None:
    handle = ModelHandle(cast(ServedModel, None))
    with _following(handle).paused_after(0.0):
        await asyncio.sleep(0.01)
        assert not await _lends(handle)
    assert await _lends(handle)


async def test_records_do_not_wait_for_a_release_that_loads_in_time() -> None:
    handle = ModelHandle(cast(ServedModel, None))
    with _following(handle).paused_after(60.0):
        assert await _lends(handle)
    assert await _lends(handle)


async def test_records_go_on_with_the_previous_model_where_a_release_is_refused() -> None:
    handle = ModelHandle(cast(ServedModel, None))
    with contextlib.suppress(ModelError), _following(handle).paused_after(0.0):
        await asyncio.sleep(0.01)
        raise ModelError("damaged")
    assert await _lends(handle)


async def test_no_record_begins_with_the_previous_model_where_loading_is_cancelled() -> None:
    """It would be rated by the previous release, after the time up to which it is rated again."""
    handle = ModelHandle(cast(ServedModel, None))
    with contextlib.suppress(asyncio.CancelledError), _following(handle).paused_after(0.02):
        raise asyncio.CancelledError
    await asyncio.sleep(0.05)
    assert not await _lends(handle)
