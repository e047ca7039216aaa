"""Rewriting and preference pairs on a real broker, with workers that are killed midway."""

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from agents.pairer import Pairer
from agents.pairing.settings import PreferenceSettings
from models.prompts.prompt import Prompt
from models.prompts.template import Task
from models.serving.model_handle import ModelHandle
from models.serving.written import WrittenInstruction, WrittenText
from schemas.ids import example_id, seed_id
from schemas.records import Candidate, Example, ExampleOrigin, Preference, Rating
from streams.cli.main import app
from streams.data.dataset import snapshot
from streams.data.feed import feed, seed
from streams.data.preferences import preferences
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CANDIDATES, CURATED
from streams.observe.audit import Audit, audit
from streams.observe.lag import Flow, FlowReader
from streams.run.processes import as_child
from streams.settings import Role, Settings
from streams.stages.topology import stages_of
from streams.worker.worker import Worker
from tests.integration.conftest import ChildProcess
from tests.integration.documents import notes

_DOCUMENTS = 24
_PAIRS = PreferenceSettings(enabled=True, margin=0.1)


class _Model:
    """Writes from what it is given, and rates by a hash, the same in every process."""

    release = "model"
    device = placement = "cpu"
    generation_slots = 16

    async def write_instruction(
        self, parent_id: str, response: str, context: str | None, sampling: Any, sample: int = 0,
        **_: Any,
    ) -> WrittenInstruction:  # fmt: skip
        await asyncio.sleep(0.02)
        id = example_id(parent_id, self.release, "backward.test.1", sample)
        words = re.findall(r"[a-z]{4,}", response.lower())
        number = re.findall(r"Number\s+(\d+)", response)[-1]
        text = f"{id[:8]} {id[8:16]}: what is {words[sample]} {id[16:24]} of note {number}?"
        return WrittenInstruction(id, text, context, True, self.release, "backward.test.1")

    def template_id(self, task: Task) -> str:
        return f"{task}.test.1"

    async def write(self, prompt: Prompt, sampling: Any, **_: Any) -> WrittenText:
        await asyncio.sleep(0.05)
        passage = prompt.texts["response"]
        return WrittenText(". ".join(passage.split(". ")[-2:]), True)

    async def likelihood(self, prompt: Prompt, text: str) -> float:
        return -1.0 if prompt.texts["response"] else -2.0

    async def rate(self, instruction: str, response: str, *_: Any, **__: Any) -> Rating:
        digest = hashlib.sha256(f"{instruction}|{response}".encode()).digest()
        score = 1 + 4 * digest[0] / 255
        return Rating(
            score=score, probabilities=(0, 0, 0, 0, 1), release=self.release, template="rating"
        )

    async def probe(self) -> None:
        return None


def _run(settings: Settings, base: Path, events: Any) -> None:
    os.setpgrp()
    as_child(_serve, settings, events)


def _serve(settings: Settings, events: Any, signals: object = ()) -> None:
    model = ModelHandle(_Model())  # type: ignore[arg-type]
    worker = Worker(settings)
    models = {Role.BACKWARD: model, Role.FORWARD: model}
    asyncio.run(worker.run(models, on_ready=lambda: events.put({"event": "ready"})))


@pytest.fixture
def rewriting(settings: Settings) -> Settings:
    changed = Settings.model_validate(
        settings.model_dump()
        | {
            "rewriting": {"enabled": True},
            "preferences": _PAIRS.model_dump(),
            "generation": settings.generation.model_dump() | {"samples": 2, "temperature": 0.7},
            "curation": settings.curation.model_dump() | {"mix": {}},
        }
    )
    return changed.with_broker(settings.kafka.bootstrap_servers)


@pytest.fixture
def start(rewriting: Settings):
    started: list[ChildProcess] = []

    def begin() -> ChildProcess:
        started.append(ChildProcess(_run, rewriting, Path()))
        assert started[-1].wait_until_ready() == {"event": "ready"}
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()


def _wait(settings: Settings, reached: Callable[[Any], bool], seconds: float = 360) -> None:
    deadline = time.monotonic() + seconds
    with FlowReader(settings.kafka.cluster(), stages_of(settings)) as reader:
        while not reached(flow := reader.read()):
            assert time.monotonic() < deadline, flow
            time.sleep(0.1)


def _written(candidates: int, flow: Flow) -> bool:
    return flow.messages["candidates"] >= candidates


def _wait_until_idle(settings: Settings) -> None:
    last: list[Any] = []

    def idle(flow: Any) -> bool:
        last.append(flow)
        return flow.idle and flow.messages["documents"] >= _DOCUMENTS and last[-2:-1] == [flow]

    _wait(settings, idle)


def _account(settings: Settings) -> Audit:
    cluster, stages = settings.kafka.cluster(), stages_of(settings)
    with FlowReader(cluster, stages) as reader:
        return audit(cluster, reader.committed(), stages)


def _candidates(settings: Settings) -> list[Candidate]:
    reader = RecordReader()
    read = (
        reader.read_record(each, Candidate) for each in replay(settings.kafka.cluster(), CANDIDATES)
    )
    return [one for one in read if one is not None]


def _pairs_of(examples: list[Example]) -> dict[str, Preference]:
    """The pairs that the examples lead to."""
    pairer = Pairer(_PAIRS)
    outcomes = [one for each in examples for one in asyncio.run(pairer.handle(each))]
    return {one.id: one for one in outcomes if isinstance(one, Preference)}


def test_workers_that_are_killed_midway_lose_nothing_and_change_no_id(
    rewriting, start, tmp_path
) -> None:
    cluster = rewriting.kafka.cluster()
    human = Example(
        id=seed_id("Why?", None, "So."),
        instruction="Why?",
        response="So.",
        origin=ExampleOrigin.SEED,
    )
    seed(cluster, [human])
    feed(cluster, notes(range(_DOCUMENTS)))
    for wanted in (_DOCUMENTS // 2, 2 * _DOCUMENTS + 4, 2 * _DOCUMENTS + 12):
        worker = start()
        _wait(rewriting, partial(_written, wanted))
        worker.kill()
    last = start()
    _wait_until_idle(rewriting)

    account = _account(rewriting)
    assert account.complete, account
    stages = {stage.stage: stage for stage in account.stages}
    assert {"rewriter", "pairer"} <= stages.keys()
    for stage in account.stages:
        assert (stage.dead, stage.in_flight, stage.lost) == (0, 0, ()), stage
    assert stages["rewriter"].followed > 0
    assert account.rejections["rewriter", "human"] == 1
    assert account.rejections["rewriter", "rewritten"] > 0

    # The same ids as without kills: each is that of its passage and sample, or of its original.
    candidates = _candidates(rewriting)
    originals = {one.id: one for one in candidates if one.provenance.original is None}
    assert len(originals) == 2 * _DOCUMENTS
    for one in candidates:
        made = one.provenance
        if made.original is not None:
            assert one.id == example_id(made.original.id, "model", "rewriting.test.1", 0)
            assert made.original.response == originals[made.original.id].response
            assert one.instruction == originals[made.original.id].instruction
            assert one.response != made.original.response

    # What is kept is the best of each passage, rewritten ones among them.
    examples = [one for one in snapshot(cluster) if one.origin is ExampleOrigin.AUGMENTED]
    assert len({one.provenance.segment_id for one in examples}) == len(examples) == _DOCUMENTS
    kept = [one for one in examples if one.provenance.original]
    assert 0 < len(kept) < len(examples)
    for example in examples:
        assert example.rating is not None
        assert all(example.rating.score >= one.rating.score for one in example.alternatives)

    found = {pair.id: pair for pair in preferences(cluster)}
    assert found == _pairs_of(examples)
    assert {pair.task for pair in found.values()} == {"forward", "backward"}

    # The commands show them where they are set.
    run, broker = CliRunner().invoke, ["--broker", rewriting.kafka.bootstrap_servers]
    both = ["-s", "rewriting.enabled=true", "-s", "preferences.enabled=true"]
    for command in ("audit", "status"):
        first = [line.split()[0] for line in run(app, [command, *broker]).stdout.splitlines()]
        assert {"rewriter", "pairer"}.isdisjoint(first)
        shown = [
            line.split()[0] for line in run(app, [command, *broker, *both]).stdout.splitlines()
        ]
        assert {"rewriter", "pairer"} <= set(shown)
    file = tmp_path / "pairs.jsonl"
    done = run(app, ["export", *broker, "-o", str(file), "--shape", "dpo", "--json"])
    card = file.with_suffix(".card.md")
    report = {"preferences": len(found), "file": str(file), "card": str(card)}
    assert json.loads(done.stdout) == report
    assert f"| forward | {sum(pair.task == 'forward' for pair in found.values())} |" in (
        card.read_text()
    )

    # A retraction by hand takes the pairs with it, and the id needs no account any more.
    gone = found[min(found)].example_id
    producer = KafkaProducer(bootstrap_servers=rewriting.kafka.bootstrap_servers)
    producer.send(cluster.topic(CURATED), None, gone.encode()).get(timeout=90)
    producer.close()
    _wait_until_idle(rewriting)
    left = [one for one in examples if one.id != gone]
    assert {pair.id: pair for pair in preferences(cluster)} == _pairs_of(left)
    account = _account(rewriting)
    assert account.complete
    assert account.stages[-1].dead == 0
    last.kill()


def test_without_the_settings_nothing_reads_curated(settings) -> None:
    assert {"rewriter", "pairer"}.isdisjoint(spec.name for spec in stages_of(settings))
    with FlowReader(settings.kafka.cluster(), stages_of(settings)) as reader:
        assert {"rewriter", "pairer"}.isdisjoint(one.stage for one in reader.read().stages)
