"""A release is deployed while the stream goes on; nothing is lost, all is rated again."""

import time
from collections.abc import Iterable

from bench.swap import copy_release
from models.releases.release import read_manifest
from schemas.records import Candidate, Example, Scored
from schemas.release import Release
from schemas.wire import decode, header_map
from streams.data.dataset import snapshot
from streams.data.feed import feed
from streams.kafka.reading.replay import replay
from streams.kafka.topics import topic_of
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.releases.announcements import announce, in_service, read_releases, roll_back
from streams.releases.rerating import rerating
from streams.settings import Settings
from tests.integration.conftest import WorkerProcess, wait_until_idle
from tests.integration.documents import notes
from tests.integration.waiting import wait_until


def _records(settings, record):
    return [
        decode(record, m.value, header_map(m.headers))
        for m in replay(settings.kafka.cluster(), topic_of(record))
    ]


def rated_by(examples: Iterable[Example]) -> set[tuple[str, int]]:
    """The releases that rated the examples, each with its term."""
    ratings = [example.rating for example in examples]
    assert None not in ratings
    return {(rating.release, rating.term) for rating in ratings if rating}


def _next(worker: WorkerProcess, kind: str) -> dict[str, object]:
    while True:
        event = worker.events.get(timeout=60)
        if event["event"] == kind:
            return event


def _rerated(settings: Settings, release: Release) -> bool:
    after = settings.rerating.after_seconds
    return (
        time.time() > release.announced_at + after
        and rerating(settings.kafka.cluster(), release, after).finished
    )


def _rated_once(scored: Iterable[Scored], release: str) -> bool:
    """Whether a release rated each candidate once, before any term."""
    ratings = [(one.id, one.rating.term) for one in scored if one.rating.release == release]
    return len(ratings) == len({id for id, _ in ratings}) and {t for _, t in ratings} == {0}


def _soon(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"rerating": settings.rerating.model_copy(update={"after_seconds": 2.0})}
    )


def test_a_release_takes_service_while_the_stream_goes_on(settings, house):
    settings = _soon(settings)
    cluster, base = settings.kafka.cluster(), read_manifest(house).id
    worker = WorkerProcess(settings, house)
    try:
        _next(worker, "ready")
        feed(cluster, notes(range(60)))
        wait_until(lambda: len(_records(settings, Scored)) >= 10)
        announce(cluster, copy_release(house, settings.releases_dir / "r-1", "r-1"))
        assert _next(worker, "loading")["release"] == "r-1"
        assert _next(worker, "serving")["release"] == "r-1"
        feed(cluster, notes(range(60, 80)))
        wait_until_idle(settings, 80)
        (serving,) = read_releases(cluster)
        wait_until(lambda: rerating(cluster, serving, 2.0).finished)
        wait_until_idle(settings, 80)

        with FlowReader(cluster) as reader:
            account = audit(cluster, reader.committed())
        assert account.complete
        candidates = _records(settings, Candidate)
        assert {candidate.provenance.release for candidate in candidates} == {base, "r-1"}
        ratings = {(scored.id, scored.rating.release) for scored in _records(settings, Scored)}
        assert {id for id, release in ratings if release == "r-1"} == {
            candidate.id for candidate in candidates
        }
        examples = snapshot(cluster)
        assert examples
        assert rated_by(examples) == {("r-1", serving.term)}

        # Back to the base: its ratings count again.
        roll_back(cluster, base)
        assert _next(worker, "serving")["release"] == base
        back = in_service(read_releases(cluster), base)
        assert back is not None
        wait_until(
            lambda: time.time() > back.announced_at + 2.0 and rerating(cluster, back, 2.0).finished
        )
        wait_until_idle(settings, 80)
        assert rated_by(snapshot(cluster)) == {(base, back.term)}
        assert worker.terminate() == 0, worker.describe()
    finally:
        worker.kill()


def test_a_release_that_does_not_verify_is_refused_and_the_old_one_serves_on(settings, house):
    settings = _soon(settings)
    cluster, base = settings.kafka.cluster(), read_manifest(house).id
    worker = WorkerProcess(settings, house)
    try:
        _next(worker, "ready")
        damaged = copy_release(house, settings.releases_dir / "r-1", "r-1")
        (settings.releases_dir / "r-1" / "tokenizer.json").write_text("{}")
        announce(cluster, damaged)
        assert "tokenizer.json was changed" in str(_next(worker, "failed")["error"])
        feed(cluster, notes(range(3)))
        wait_until_idle(settings, 3)
        assert {candidate.provenance.release for candidate in _records(settings, Candidate)} == {
            base
        }

        # After kill -9 and a restart it refuses it again. The next intact one is deployed.
        worker.kill()
        worker = WorkerProcess(settings, house)
        assert "is refused" in str(_next(worker, "failed")["error"])
        assert _next(worker, "ready")["release"] == base
        # A re-rating would begin now, before these documents are processed.
        feed(cluster, notes(range(3, 6)))
        wait_until_idle(settings, 6)
        assert _rated_once(_records(settings, Scored), base)
        announce(cluster, copy_release(house, settings.releases_dir / "r-2", "r-2"))
        assert _next(worker, "serving")["release"] == "r-2"
        serving = in_service(read_releases(cluster), base)
        assert serving is not None
        wait_until(lambda: _rerated(settings, serving))
        assert _rated_once(_records(settings, Scored), base), (
            "the base re-rates nothing for a release that it refused"
        )
    finally:
        worker.kill()


def test_a_rating_again_that_is_killed_goes_on_where_it_was(settings, house):
    settings = _soon(settings)
    cluster = settings.kafka.cluster()
    worker = WorkerProcess(settings, house)
    try:
        _next(worker, "ready")
        feed(cluster, notes(range(40)))
        wait_until_idle(settings, 40)
        rated = len(_records(settings, Scored))
        announce(cluster, copy_release(house, settings.releases_dir / "r-1", "r-1"))
        _next(worker, "serving")
        wait_until(lambda: len(_records(settings, Scored)) > rated)
        worker.kill()
        worker = WorkerProcess(settings, house)
        assert _next(worker, "ready")["release"] == "r-1"
        (serving,) = read_releases(cluster)
        wait_until(lambda: rerating(cluster, serving, 2.0).finished)
        wait_until_idle(settings, 40)
        assert {release for release, _ in rated_by(snapshot(cluster))} == {"r-1"}
        again = [
            scored.id for scored in _records(settings, Scored) if scored.rating.release == "r-1"
        ]
        assert set(again) == {candidate.id for candidate in _records(settings, Candidate)}
    finally:
        worker.kill()
