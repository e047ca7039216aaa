"""The manifests of releases that the page finds on this machine."""

import json
import shutil
from pathlib import Path

import pytest

from models.releases.release import MANIFEST, read_manifest
from streams.page.manifests import Manifests
from streams.page.store.store import Store
from tests.unit.streams.page.served import served
from tests.unit.streams.page.topics import rating, scored


@pytest.fixture
def cache(judge_release: Path, tmp_path: Path) -> Path:
    """A cache with one export, a damaged one, and one that is being made."""
    cache = tmp_path / "cache"
    for name in ("model-0123456789abcdef", ".model-0.partial", "damaged-0"):
        cache.joinpath(name).mkdir(parents=True)
    shutil.copy(judge_release / MANIFEST, cache / "model-0123456789abcdef" / MANIFEST)
    cache.joinpath("damaged-0", MANIFEST).write_bytes(b"\xff{")
    cache.joinpath(".model-0.partial", MANIFEST).write_text("{}")
    return cache


def test_an_export_is_found_in_the_cache_by_its_id(
    judge_release: Path, cache: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(judge_release)
    found = Manifests(tmp_path / "releases", cache)
    assert found(manifest.id) == manifest
    for id in ("other", "", "..", "damaged-0", "model-0123456789abcdef", "\0", "a/b"):
        assert found(id) is None
    assert Manifests(tmp_path / "releases", tmp_path / "none")(manifest.id) is None


def test_the_page_draws_what_the_judge_of_an_export_promises(
    judge_release: Path, cache: Path, tmp_path: Path
) -> None:
    id = read_manifest(judge_release).id
    manifests = Manifests(tmp_path / "releases", cache)
    with Store(manifest_of=manifests) as store, served(store) as page:
        page.topics.write(scored("e1", rating(4.0, id)), scored("e2", rating(4.0, "r9")))
        assert 'class="promised"' in page.get(f"/releases?left={id}&right={id}").text
        other = page.get("/releases?left=r9&right=r9").text
        assert 'class="promised"' not in other
        assert "nor in the cache of exports" in other
        file = cache / "model-0123456789abcdef" / MANIFEST
        file.write_text(json.dumps({**json.loads(file.read_text()), "judges": None}))
        assert "the release has no judge" in page.get(f"/releases?left={id}&right={id}").text
