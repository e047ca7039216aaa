"""Instructions are invented by workers, one of which is killed, and reach a release."""

from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.inventing.settings import InventionSettings
from models.prompts.template import Family, Task
from models.prompts.templates import BUILT_IN
from models.releases.release import read_manifest
from schemas.ids import example_id
from schemas.records import Candidate, Rejection
from streams.cli.main import app
from streams.data.bootstraps import MADE, draw
from streams.data.dataset import snapshot
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import BOOTSTRAPS, CANDIDATES, REJECTED
from streams.observe.audit import audit
from streams.observe.lag import Flow, FlowReader
from streams.releases.announcements import read_releases
from streams.run.processes import run_trainer
from streams.settings import Settings
from tests.integration.conftest import wait_for_flow

COUNT = 20
_TASKS = (Task.INVENTION, Task.KIND, Task.INPUT, Task.FORWARD)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short answers, and a short training."""
    invention = InventionSettings(max_tokens=64, line_tokens=32)
    training = settings.training.model_copy(update={"max_tokens": 4000})
    return settings.model_copy(update={"invention": invention, "training": training})


def _idle(flow: Flow) -> bool:
    return flow.idle and flow.messages["bootstraps"] >= 2 * COUNT


def _invent(settings: Settings) -> str:
    run = CliRunner().invoke(
        app, ["invent", str(COUNT), "--broker", settings.kafka.bootstrap_servers]
    )
    assert run.exit_code == 0, run.output
    assert "`backstream audit`" in run.stderr
    return run.stdout


def test_a_killed_worker_loses_no_request_and_changes_no_id_and_a_release_is_made(
    settings, start_worker, house
):
    assert f"{COUNT} requests" in _invent(settings)
    _invent(settings)  # the same again
    cluster = settings.kafka.cluster()
    wanted = {one.id for one in draw([], COUNT)}
    assert {(record.key or b"").decode() for record in replay(cluster, BOOTSTRAPS)} == wanted

    # One worker is killed while it invents; another one does the rest.
    first = start_worker()
    first.wait_until_ready()
    wait_for_flow(
        settings, lambda flow: flow.messages["candidates"] + flow.messages["rejected"] >= 2
    )
    first.kill()
    second = start_worker()
    second.wait_until_ready()
    wait_for_flow(settings, _idle)
    assert second.terminate() == 0, second.describe()

    # Each id is answered for: by candidates, or by a rejection with a reason.
    with FlowReader(cluster) as reader:
        account = audit(cluster, reader.committed())
    assert account.complete
    inventor = next(stage for stage in account.stages if stage.stage == "inventor")
    assert inventor.ids == inventor.followed + inventor.rejected == COUNT
    assert (inventor.dead, inventor.in_flight, inventor.lost) == (0, 0, ())

    # No id comes from anything but the request, the release, the templates and the sample.
    records = RecordReader()
    template = " ".join(BUILT_IN.of(task, Family.MARKERS).id for task in _TASKS)
    release = read_manifest(house).id
    candidates = [
        one for each in replay(cluster, CANDIDATES) if (one := records.read_record(each, Candidate))
    ]
    refused = {
        rejection.request_id
        for each in replay(cluster, REJECTED)
        if (rejection := records.read_record(each, Rejection)) and rejection.stage == "inventor"
    }
    for one in candidates:
        request = one.provenance.request_id
        assert one.id == example_id(request, release, template, 0)
        assert len(one.provenance.exemplars) == 8
    followed = {one.provenance.request_id for one in candidates}
    assert followed | refused == wanted
    texts = {one.id: (one.instruction, one.response) for one in candidates}
    assert all(texts[one.id] == (one.instruction, one.response) for one in candidates)

    # What was kept trains a release, which the gate decides on.
    examples = snapshot(cluster)
    assert examples, dict(account.rejections)
    assert {one.provenance.generator for one in examples} == {"inventor"}
    if len(examples) >= MADE:  # the next requests show two of them
        made = {one.id for one in examples}
        for asked in draw(examples, COUNT):
            assert sum(shown.id in made for shown in asked.exemplars) == MADE
    events: list[Mapping[str, Any]] = []
    run_trainer(settings, house, events.append, once=True, signals=())
    (announced,) = read_releases(cluster)
    assert announced.examples == len(examples)
    assert announced.status in ("in_service", "kept")
    assert announced.reason
