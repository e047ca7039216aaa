"""Which release is deployed, promoted and rolled back by hand, on a real broker."""

import asyncio
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from models.releases.release import read_manifest
from schemas.errors import SettingsError
from schemas.release import Release, ReleaseStatus
from streams.cli.main import app
from streams.kafka.reading.records import RecordReader
from streams.releases.announcements import announce, in_service, promote, read_releases, roll_back
from streams.releases.following import follow_in_service


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
    cluster, base = settings.kafka.cluster(), read_manifest(house).id
    for id, status, created_at in (
        ("r-1", ReleaseStatus.IN_SERVICE, 1.0),
        ("r-2", ReleaseStatus.KEPT, 2.0),
        ("r-3", ReleaseStatus.IN_SERVICE, 3.0),
    ):
        announce(cluster, _release(id, base, status, created_at))

    def serving() -> str | None:
        found = in_service(read_releases(cluster), base)
        return found.id if found else None

    async def followed(change: Callable[[], object]) -> list[str]:
        """The releases that a worker is to serve before and after a change."""
        following = follow_in_service(cluster, base, RecordReader())
        releases = [(await anext(following))[0].id]
        await asyncio.to_thread(change)
        releases.append((await asyncio.wait_for(anext(following), 60))[0].id)
        await following.aclose()
        return releases

    assert serving() == "r-3", "what was announced before is history"
    assert asyncio.run(followed(lambda: promote(cluster, "r-2"))) == ["r-3", "r-2"]
    assert asyncio.run(followed(lambda: roll_back(cluster, base))) == ["r-2", "r-3"]
    terms = {
        release.id: release.term
        for release in read_releases(cluster)
        if release.status is ReleaseStatus.IN_SERVICE
    }
    assert max(terms, key=terms.__getitem__) == "r-3", (
        "the one that serves again is the latest, so that its ratings count"
    )

    broker = ["--broker", settings.kafka.bootstrap_servers]
    command = CliRunner()
    assert (
        "r-3 is taken back; r-1 is deployed"
        in command.invoke(app, ["releases", "rollback", *broker]).stdout
    )
    assert (
        f"r-1 is taken back; {base} is deployed"
        in command.invoke(app, ["releases", "rollback", *broker]).stdout
    )
    assert serving() == base, "that the base serves again is announced too"
    with pytest.raises(SettingsError, match="nothing to roll back"):
        roll_back(cluster, base)
    assert "r-1 is deployed" in command.invoke(app, ["releases", "promote", "r-1", *broker]).stdout
    assert serving() == "r-1"
    compared = command.invoke(app, ["releases", "compare", "r-1", "r-3", *broker]).stdout
    assert [line.split() for line in compared.splitlines()][-1] == ["rating_auc", "0.100", "0.300"]
    with pytest.raises(SettingsError, match="no release r-9"):
        promote(cluster, "r-9")
