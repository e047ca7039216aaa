"""What the page finds on this machine of what judges promise."""

import json
import shutil
from pathlib import Path

import pytest

from models.releases.release import MANIFEST, read_manifest
from models.remote.address import RemoteAddress
from models.remote.kept_judges import judges_file
from streams.page.promises import Promises
from streams.page.store.store import Store
from streams.page.store.stream_views import NO_FILES, Promise, Unknown
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
    assert manifest.judges is not None
    found = Promises(tmp_path / "releases", cache)
    assert found(manifest.id) == Promise(manifest.judges.combined.curve)
    for id in ("other", "", "..", "damaged-0", "model-0123456789abcdef", "\0", "a/b"):
        assert found(id) == NO_FILES
    assert Promises(tmp_path / "releases", tmp_path / "none")(manifest.id) == NO_FILES


def test_the_page_draws_what_the_judge_of_an_export_promises(
    judge_release: Path, cache: Path, tmp_path: Path
) -> None:
    id = read_manifest(judge_release).id
    promises = Promises(tmp_path / "releases", cache)
    with Store(promise_of=promises) as store, served(store) as page:
        page.topics.write(scored("e1", rating(4.0, id)), scored("e2", rating(4.0, "r9")))
        assert 'class="promised"' in page.get(f"/releases?left={id}&right={id}").text
        other = page.get("/releases?left=r9&right=r9").text
        assert 'class="promised"' not in other
        assert "nor in the cache of exports" in other
        file = cache / "model-0123456789abcdef" / MANIFEST
        file.write_text(json.dumps({**json.loads(file.read_text()), "judges": None}))
        assert "the release has no judge" in page.get(f"/releases?left={id}&right={id}").text


def test_the_judge_of_a_model_behind_an_address_is_found_in_the_cache(
    judge_release: Path, cache: Path, tmp_path: Path
) -> None:
    id = RemoteAddress.parse("openai:m@http://127.0.0.1:8000/v1").release()
    judges = read_manifest(judge_release).judges
    assert judges is not None
    promises = Promises(tmp_path / "releases", cache)
    with Store(promise_of=promises) as store, served(store) as page:
        page.topics.write(scored("e1", rating(4.0, id).model_copy(update={"precision": None})))
        shown = page.get(f"/releases?left={id}&right={id}").text
        assert 'class="promised"' not in shown
        assert "There is no dashed line" in shown
        assert "a model behind an address, and no judge of it is in the cache here" in shown
        file = judges_file(cache, id)
        file.parent.mkdir()
        file.write_text("{")
        assert promises(id).unknown is Unknown.DAMAGED_REMOTE
        file.write_text(judges.model_dump_json())
        shown = page.get(f"/releases?left={id}&right={id}").text
        assert 'class="promised"' in shown
        assert "There is no dashed line" not in shown
