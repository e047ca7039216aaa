"""Questions are answered by a worker, and a worker that is killed loses none and changes no id."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.answerer import Answerer
from agents.answers.settings import AnsweringSettings
from agents.curator import Curator
from agents.outcomes import Retraction
from agents.scorer import Scorer
from models.prompts.tasks.answering import AnswerFormat
from models.prompts.template import Family
from models.prompts.templates import BUILT_IN
from models.releases.release import read_manifest
from schemas.ids import example_id
from schemas.record import Record
from schemas.records import Candidate, Example, Question, Rejection, Scored
from streams.cli.main import app
from streams.data.feed import seed
from streams.data.questions import read_questions
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CANDIDATES, QUESTIONS, REJECTED
from streams.observe.audit import audit
from streams.observe.lag import Flow, FlowReader
from streams.releases.announcements import read_releases
from streams.releases.store import release_store
from streams.run.processes import run_trainer
from streams.settings import Settings
from streams.stages.making import agent_makers
from streams.worker.role_models import RoleModels
from tests.integration.conftest import wait_for_flow

COUNT = 20
_SAMPLES = 4
_ASKED = (
    "How many {thing} are there in {number} boxes of {number}?",
    "Is {number} more than 12?",
    "What is a {thing}, and what is it used for? Example {number}.",
    "Which of these is heavier?\nA) {number} {thing}\nB) a feather",
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Few and short answers, of which one with a vote is enough."""
    answering = AnsweringSettings(
        samples=_SAMPLES,
        max_tokens=48,
        least_agreement=0.25,
        similarity=0.1,
        formats=(AnswerFormat.DIRECT, AnswerFormat.STEPS),
    )
    return settings.model_copy(update={"answering": answering})


def questions(count: int = COUNT) -> str:
    """Different questions of each form, a line each."""
    things = ("parser", "queue", "cursor", "table", "clock")
    rows = [
        {"question": _ASKED[number % 4].format(thing=things[number % 5], number=number + 2)}
        for number in range(count)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _idle(flow: Flow) -> bool:
    return flow.idle and flow.messages["questions"] >= COUNT


def test_a_killed_worker_loses_no_question_and_changes_no_id(
    settings, start_worker, house, tmp_path
):
    file = tmp_path / "questions.jsonl"
    file.write_text(questions())
    asked = ["ask", str(file), "--broker", settings.kafka.bootstrap_servers]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 0, run.output
    assert f"{COUNT} questions" in run.stdout
    assert "`backstream audit`" in run.stderr

    # One worker is killed while it answers; another one answers the rest.
    first = start_worker()
    first.wait_until_ready()
    wait_for_flow(
        settings, lambda flow: flow.messages["candidates"] + flow.messages["rejected"] >= 2
    )
    first.kill()
    start_worker().wait_until_ready()
    wait_for_flow(settings, _idle)

    # Each id is answered for: by candidates, or by one rejection with a reason.
    cluster = settings.kafka.cluster()
    with FlowReader(cluster) as reader:
        account = audit(cluster, reader.committed())
    assert account.complete
    answerer = next(stage for stage in account.stages if stage.stage == "answerer")
    assert answerer.ids == answerer.followed + answerer.rejected == COUNT
    assert (answerer.dead, answerer.in_flight, answerer.lost) == (0, 0, ())

    # No id comes from anything but the question, the release, the format and the sample.
    ids = {one.id for one in read_questions([str(file)]) if isinstance(one, Question)}
    release = read_manifest(house).id
    templates = [BUILT_IN.of(one.task, Family.MARKERS).id for one in AnswerFormat]
    possible = {
        example_id(id, release, template, sample): id
        for id in ids
        for template in templates
        for sample in range(_SAMPLES)
    }
    records = RecordReader()
    candidates = [
        one for each in replay(cluster, CANDIDATES) if (one := records.read_record(each, Candidate))
    ]
    refused = [
        rejection
        for each in replay(cluster, REJECTED)
        if (rejection := records.read_record(each, Rejection)) and rejection.stage == "answerer"
    ]
    for one in candidates:
        assert possible[one.id] == one.provenance.request_id
        assert one.confidence is not None
        assert one.confidence >= 0.25
    followed = {one.provenance.request_id for one in candidates}
    rejected = {one.request_id for one in refused}
    assert followed | rejected == ids
    assert not followed & rejected
    assert {one.id for one in refused} == rejected
    assert len(list(replay(cluster, QUESTIONS))) == COUNT


async def _kept(settings: Settings, house: Path, file: Path) -> list[Example]:
    """What the agents keep of the questions of a file, without a broker."""
    async with contextlib.aclosing(await RoleModels.load(settings, house)) as models:
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        waiting: list[Record | Retraction] = [
            one for one in read_questions([str(file)]) if isinstance(one, Question)
        ]
        kept: list[Example] = []
        for record in waiting:
            for stage, made in (
                (Answerer.stage, Question),
                (Scorer.stage, Candidate),
                (Curator.stage, Scored),
            ):
                if isinstance(record, made):
                    waiting += await agents[stage].handle(record)
            kept += [record] if isinstance(record, Example) else []
    return kept


def test_what_is_kept_reaches_a_release_through_the_gate(settings, house, tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text(questions(8))
    kept = asyncio.run(_kept(settings, house, file))
    assert kept
    assert all(one.confidence and one.provenance.generator == "answerer" for one in kept)
    cluster = settings.kafka.cluster()
    seed(cluster, kept)
    training = settings.training.model_copy(
        update={"max_tokens": 3000, "mix": {"seed": 0.9, "answerer": 0.1}}
    )
    quick = settings.model_copy(update={"training": training})
    run_trainer(quick, house, lambda _: None, once=True, signals=())
    (announced,) = read_releases(cluster)
    assert announced.reason
    manifest = release_store(settings).verify(announced).manifest
    assert manifest.verdict is not None
    assert manifest.trained_on["answerer"].there == len(kept)
    assert manifest.trained_on["answerer"].asked_for == 0.1
    assert manifest.trained_on["seed"].share > manifest.trained_on["answerer"].share > 0
