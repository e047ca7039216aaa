"""A stream with prompts of its own and agents of another package, to a release that is served."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.curation.settings import CurationRules
from models.prompts.own.directory import PROMPTS_FILE
from models.prompts.own.writing import as_yaml
from models.prompts.template import Family, Task
from models.prompts.templates import BUILT_IN
from models.releases.golden import Origin, write_manifest
from models.releases.release import MANIFEST, read_manifest
from models.sampling import Sampling
from models.serving.served_model import ServedModel
from streams.cli.documents import read_documents
from streams.data.dataset import snapshot
from streams.data.feed import feed
from streams.data.tally import Tally
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.releases.announcements import read_releases
from streams.releases.store import release_store
from streams.run.processes import run_trainer
from streams.settings import Settings
from streams.stages.topology import stages_of
from tests.integration.conftest import WorkerProcess, passage, wait_for_flow
from tests.plugin_package import blocks, entry_points, install

_PROMPTS = as_yaml(
    [BUILT_IN.of(task, Family.MARKERS) for task in (Task.BACKWARD, Task.FORWARD, Task.RATING)],
    "acme",
).replace("{{ tag }}", "Answer:")


@pytest.fixture
async def base(house: Path, tmp_path: Path) -> Path:
    """The house model with prompts of one's own, as an export writes it. It rates by digits."""
    directory = shutil.copytree(house, tmp_path / "base")
    (directory / MANIFEST).unlink()
    (directory / PROMPTS_FILE).write_text(_PROMPTS, encoding="utf-8")
    await write_manifest(directory, Origin(id="acme-1", base="acme-1"))
    return directory


@pytest.fixture
def extended(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with the agents of the example package, which is installed.

    Two stages make an example of each passage. Both are kept, whichever is rated first.
    """
    package = tmp_path / "package"
    package.mkdir()
    install(package, blocks(), entry_points())
    monkeypatch.syspath_prepend(str(package))  # a worker's process gets it too
    agents: dict[str, dict[str, Any]] = {"definitions": {}, "advertising": {}}
    training = settings.training.model_copy(update={"max_tokens": 4000})
    rules = CurationRules(same_response=False, not_novel=False, near_duplicate=False)
    curation = settings.curation.model_copy(update={"rules": rules})
    return settings.model_copy(
        update={"agents": agents, "training": training, "curation": curation}
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a training on a busy machine
async def test_a_document_becomes_a_release_by_own_prompts_and_agents(
    extended: Settings, base: Path, tmp_path: Path
) -> None:
    made_with = read_manifest(base).templates
    assert {id.split(".")[2] for id in made_with.values()} == {"acme-1"}
    stages, cluster = stages_of(extended), extended.kafka.cluster()
    body = passage(3).split("\n\n", 1)[1]
    for name, first in (("a", "A queue is a list of what waits."), ("b", "Buy now.")):
        (tmp_path / f"{name}.txt").write_text(f"{first} {body}")
    feed(cluster, read_documents([str(tmp_path / f"{n}.txt") for n in "ab"], None, None, Tally()))

    worker = WorkerProcess(extended, base)
    try:
        assert worker.wait_until_ready()["release"] == read_manifest(base).id
        with FlowReader(cluster, stages) as reader:
            wait_for_flow(
                extended,
                lambda _: (flow := reader.read()).idle and flow.messages["rejected"] >= 2,
            )
    finally:
        worker.kill()

    # Each of the two stages that read the passages accounts for them, and the filter stands before
    # both.
    with FlowReader(cluster, stages) as reader:
        account = audit(cluster, reader.committed(), stages)
    assert account.complete
    assert {stage.stage: stage.ids for stage in account.stages}["definitions"] == 2
    refused = dict(account.rejections)
    assert refused["definitions", "advertising.advertising"] == 1
    assert refused["backward", "advertising.advertising"] == 1
    (example,) = (one for one in snapshot(cluster) if one.provenance.generator == "definitions")
    assert example.instruction == "What is a queue?"
    assert example.rating is not None
    assert example.rating.template == made_with["rating"]

    # The trainer trains on it with the same prompts, and its release has them.
    events: list[Mapping[str, Any]] = []
    run_trainer(extended, base, events.append, once=True, signals=())
    (release,) = read_releases(cluster)
    verified = release_store(extended).verify(release)
    assert verified.manifest.templates == made_with
    assert PROMPTS_FILE in verified.manifest.files
    served = await ServedModel.load(verified.directory, device="cpu")
    try:
        written = await served.write_instruction("p", body, None, Sampling(max_tokens=4))
    finally:
        served.close()
    assert written.template == made_with["backward"]
