"""A model of its own for one role: the other role, and the provenance of both, stay what they are."""

from models.catalogue import default_cache, prepare
from models.release import read_manifest
from schemas.records import Scored
from schemas.wire import decode, header_map
from streams.feed import feed
from streams.replay import replay
from streams.sources import discover, read
from tests.integration.conftest import WorkerProcess, passage, wait_until_idle
from tests.unit.checkpoints import make_checkpoint


def test_a_model_that_only_rates(settings, house, tmp_path):
    judge = make_checkpoint(tmp_path / "judge", context=4096)
    (tmp_path / "note.txt").write_text(passage(4))
    chosen = settings.model_copy(update={"forward": str(judge)})
    prepare(str(judge), default_cache())
    worker = WorkerProcess(chosen, house)
    try:
        worker.wait_until_ready()
        (source,) = discover([str(tmp_path / "note.txt")])
        feed(settings.kafka.client(), read(source))
        wait_until_idle(settings, 1)
    finally:
        worker.kill()
    (message,) = replay(settings.kafka.client(), "scored")
    scored = decode(Scored, message.value, header_map(message.headers))
    assert scored.candidate.provenance.release == read_manifest(house).id
    assert scored.rating.release.startswith("judge-")
