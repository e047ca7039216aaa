"""A pinned model for one role leaves the other role, and the provenance of both, unchanged."""

import queue
from pathlib import Path

import pytest

from models.releases.release import read_manifest
from schemas.records import Scored
from schemas.release import Release, ReleaseStatus
from schemas.wire import decode, header_map
from streams.cli.documents import read_documents
from streams.data.feed import feed
from streams.data.tally import Tally
from streams.kafka.reading.replay import replay
from streams.kafka.topics import SCORED
from streams.releases.announcements import announce
from tests.integration.conftest import WorkerProcess, passage, wait_until_idle


@pytest.fixture(autouse=True)
def cache(judge_release: Path, exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find the judge exported."""
    monkeypatch.setenv("BACKSTREAM_CACHE", str(exports))


def test_a_model_that_only_rates(settings, house, judge, tmp_path):
    (tmp_path / "note.txt").write_text(passage(4))
    chosen = settings.model_copy(update={"forward": str(judge)})
    worker = WorkerProcess(chosen, house)
    try:
        worker.wait_until_ready()
        documents = read_documents([str(tmp_path / "note.txt")], None, None, Tally())
        feed(settings.kafka.cluster(), documents)
        wait_until_idle(settings, 1)
    finally:
        worker.kill()
    (message,) = replay(settings.kafka.cluster(), SCORED)
    scored = decode(Scored, message.value, header_map(message.headers))
    assert scored.candidate.provenance.release == read_manifest(house).id
    assert scored.rating.release.startswith("judge-")


def test_a_release_reaches_the_workers_that_would_serve_it_and_no_others(
    settings, house, judge, start_worker
):
    roles = {"backward": str(judge), "forward": str(judge)}
    pinned = WorkerProcess(settings.model_copy(update=roles), house)
    following = start_worker()
    try:
        for worker in (pinned, following):
            worker.wait_until_ready()
        base = read_manifest(house).id
        announce(
            settings.kafka.cluster(),
            Release(
                id="r-1",
                parent=base,
                base=base,
                status=ReleaseStatus.IN_SERVICE,
                location="/nowhere",
                created_at=1.0,
                examples=1,
                seeds=1,
            ),
        )
        # The release's directory is missing, so the base stays deployed. Only the worker that
        # follows releases looks for it.
        event = following.wait_until_ready(60)
        assert event["event"] == "failed"
        assert "release r-1 is refused" in str(event["error"])
        with pytest.raises(queue.Empty):
            pinned.wait_until_ready(1)
    finally:
        pinned.kill()
