"""What serves of the deployed releases, and what is said of the others."""

from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from models.releases.store import ReleaseStore, VerifiedRelease
from schemas.errors import ModelError
from schemas.release import Release, ReleaseStatus
from streams.cli.commands import releases as command
from streams.releases.serving import other_base, passed_over, serving_of


def _release(
    id: str, base: str = "house-2", status: ReleaseStatus = ReleaseStatus.IN_SERVICE
) -> Release:
    return Release(id=id, parent=base, base=base, status=status, location="", created_at=1.0)


class _Store(ReleaseStore):
    """Has one release that can be used."""

    def verify(self, release: Release) -> VerifiedRelease:
        if release.id != "r-1":
            raise ModelError(f"{release.id} was changed")
        return cast(VerifiedRelease, None)


def test_a_release_that_is_refused_does_not_serve(tmp_path: Path) -> None:
    store = _Store(tmp_path)
    both = [_release("r-1"), _release("r-2")]
    found = serving_of(both, "house-2", store)
    assert found.release is both[0]
    assert found.refused == {"r-2": "r-2 was changed"}
    assert serving_of(both[1:], "house-2", store).release is None
    again = [*both, _release("house-2")]
    assert serving_of(again, "house-2", store).release is again[-1], "the base was announced again"
    assert serving_of(again, "house-2", store).refused == {}


def test_releases_of_another_base_are_passed_over() -> None:
    old, kept = _release("r-1", "house-1"), _release("r-2", status=ReleaseStatus.KEPT)
    assert passed_over([old, kept], "house-2") is old
    assert passed_over([old, _release("r-3")], "house-2") is None
    assert passed_over([kept], "house-2") is None
    assert other_base(kept, "house-2") is None
    reason = other_base(old, "house-2")
    assert reason is not None
    assert "trained from house-1, and the model here is house-2" in reason


@pytest.mark.parametrize("usable", [True, False])
def test_the_list_marks_releases_of_another_base(
    monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    def base(_: object) -> str:
        if not usable:
            raise ModelError("there is no model 'x'")
        return "house-2"

    monkeypatch.setattr(command, "_read", lambda _: [_release("r-1", "house-1"), _release("r-2")])
    monkeypatch.setattr(command, "_base", base)
    listed = CliRunner().invoke(command.app, ["list", "--broker", "nowhere:1"])
    one, other = listed.stdout.splitlines()
    assert one.startswith("r-1  deployed")
    assert ("PASSED OVER: trained from house-1" in one) is usable
    assert "PASSED OVER" not in other
    assert ("there is no model 'x'" in listed.stderr) is not usable


@pytest.mark.parametrize(
    ("usable", "said"), [("r-1", ""), ("r-2", "r-2 is not used here: r-2 was changed\n")]
)
def test_promote_says_what_cannot_be_used_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, usable: str, said: str
) -> None:
    monkeypatch.setattr(command, "_base", lambda _: "house-2")
    monkeypatch.setattr("streams.cli.connection.connected", nullcontext)
    monkeypatch.setattr("streams.releases.store.release_store", lambda _: _Store(tmp_path))
    monkeypatch.setattr("streams.releases.announcements.promote", lambda *given: _release(given[1]))
    done = CliRunner().invoke(command.app, ["promote", usable, "--broker", "nowhere:1"])
    assert done.stdout == f"{usable} is deployed for house-2\n"
    assert done.stderr == said
