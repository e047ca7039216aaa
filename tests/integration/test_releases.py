"""Which release is in service, promoted and rolled back by hand, on a real broker."""

import asyncio

import pytest
from typer.testing import CliRunner

from models.release import read_manifest
from schemas.errors import SettingsError
from schemas.records import Release, ReleaseStatus
from streams.cli.main import app
from streams.releases import announce, in_service, promote, read_releases, roll_back
from streams.rollout import wait_for_another


def _release(id: str, base: str, status: ReleaseStatus, created_at: float) -> Release:
    return Release(
        id=id,
        parent=base,
        base=base,
        status=status,
        location="/nowhere",
        created_at=created_at,
        metrics={"rating_auc": created_at / 10},
        parent_metrics={"rating_auc": 0.5},
        examples=100,
        seeds=90,
    )


def test_the_last_announced_serves_and_a_rollback_leaves_the_one_before(settings, house):
    client, base = settings.kafka.client(), read_manifest(house).id
    for id, status, created_at in (
        ("r-1", ReleaseStatus.IN_SERVICE, 1.0),
        ("r-2", ReleaseStatus.KEPT, 2.0),
        ("r-3", ReleaseStatus.IN_SERVICE, 3.0),
    ):
        announce(client, _release(id, base, status, created_at))

    def serving() -> str | None:
        found = in_service(read_releases(client), base)
        return found.id if found else None

    async def noticed(considered: str | None) -> bool:
        try:
            await asyncio.wait_for(wait_for_another(client, base, considered), 5)
        except TimeoutError:
            return False
        return True

    assert serving() == "r-3"
    assert not asyncio.run(noticed("r-3")), "what was announced before is history"
    promote(client, "r-2")
    assert serving() == "r-2"
    assert asyncio.run(noticed("r-3"))
    assert [roll_back(client, base).id, serving()] == ["r-2", "r-3"]

    broker = ["--broker", settings.kafka.bootstrap_servers]
    command = CliRunner()
    assert "r-3 is out of service; r-1 serves" in command.invoke(app, ["releases", "rollback", *broker]).stdout
    assert f"r-1 is out of service; {base} serves" in command.invoke(app, ["releases", "rollback", *broker]).stdout
    assert asyncio.run(noticed("r-1")), "that none is in service any more is noticed too"
    assert not asyncio.run(noticed(None))
    with pytest.raises(SettingsError, match="nothing to roll back"):
        roll_back(client, base)
    assert "r-1 is in service" in command.invoke(app, ["releases", "promote", "r-1", *broker]).stdout
    assert serving() == "r-1"
    compared = command.invoke(app, ["releases", "compare", "r-1", "r-3", *broker]).stdout
    assert [line.split() for line in compared.splitlines()][-1] == ["rating_auc", "0.100", "0.300"]
    with pytest.raises(SettingsError, match="no release r-9"):
        promote(client, "r-9")
