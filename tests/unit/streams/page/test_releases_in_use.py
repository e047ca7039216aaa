"""Which deployed releases the page says are used."""

import re
from pathlib import Path
from typing import cast

from models.releases.store import ReleaseStore, VerifiedRelease
from schemas.release import Release, ReleaseStatus
from streams.page.releases_in_use import ReleasesInUse
from streams.page.store.store import Store
from streams.page.store.stream_views import InUse
from tests.unit.streams.page.served import served


def _release(id: str, base: str = "house-1") -> Release:
    return Release(
        id=id,
        parent=base,
        base=base,
        status=ReleaseStatus.IN_SERVICE,
        location=id,
        created_at=1.0,
    )


def test_the_base_is_used_where_no_release_can_be(tmp_path: Path) -> None:
    found = ReleasesInUse(ReleaseStore(tmp_path))([_release("r-1"), _release("r-2")])
    missing = f"there is no directory {tmp_path}"
    assert found == InUse(
        frozenset({"house-1"}), {"r-1": f"{missing}/r-1", "r-2": f"{missing}/r-2"}
    )
    assert ReleasesInUse(ReleaseStore(tmp_path))([]) == InUse(frozenset(), {})


def test_releases_of_another_base_are_not_used_where_the_base_is_known(tmp_path: Path) -> None:
    found = ReleasesInUse(ReleaseStore(tmp_path), "house-2")([_release("r-1")])
    assert found.refused["r-1"].startswith("trained from house-1, and the model here is house-2")


def test_files_are_looked_at_once_a_minute_or_where_a_release_was_announced(
    tmp_path: Path,
) -> None:
    looked: list[str] = []
    now = 0.0

    class _Usable(ReleaseStore):
        def verify(self, release: Release) -> VerifiedRelease:
            looked.append(release.id)
            return cast(VerifiedRelease, None)

    in_use = ReleasesInUse(_Usable(tmp_path), clock=lambda: now)
    for _ in range(2):
        assert in_use([_release("r-1")]) == InUse(frozenset({"r-1"}), {})
    assert looked == ["r-1"]
    in_use([_release("r-1"), _release("r-2")])
    assert looked == ["r-1", "r-2"]
    now = 61.0
    in_use([_release("r-1"), _release("r-2")])
    assert looked == ["r-1", "r-2", "r-2"]


def test_a_release_that_cannot_be_used_is_not_shown_as_deployed(tmp_path: Path) -> None:
    in_use = ReleasesInUse(ReleaseStore(tmp_path))
    with Store(in_use_of=in_use) as store, served(store) as page:
        page.topics.write(_release("house-1"), _release("r-2"))
        text = re.sub("</?bdi>", "", page.get("/releases").text)
        assert "deployed, not used here" in page.get("/parts/releases").text
        reason = f"there is no directory {tmp_path / 'r-2'}"
        assert f"r-2 was deployed, and is not used here: {reason}" in text
        assert text.count('<span class="verdict refused">deployed, not used here</span>') == 2
        assert text.count('<span class="verdict accepted">deployed</span>') == 2, (
            "the list and one of the two compared: the base"
        )
        assert "Take r-2 back" in text
