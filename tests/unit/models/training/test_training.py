"""Fine-tuning: training data, resuming, and the release that it writes."""

import asyncio
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.engine import Engine
from models.evaluation.human_ratings import RatedPair
from models.judging.evidence import EvidenceKind
from models.judging.rated import RATED_FILE, read_rated
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker
from models.prompts.template import AUGMENTED_TAG, SEED_TAG
from models.releases.checkpoints import sha256_of
from models.releases.golden import reproduce
from models.releases.release import REPORT, read_manifest, verify
from models.seeds import read_seeds, split
from models.seeds.labelled import LABELS
from models.seeds.pairs import Pair
from models.training.data import divide, read_examples, sequences
from models.training.report import CURVE, DATA, HISTOGRAM
from models.training.settings import TrainingSettings
from schemas.errors import ModelError, SourceError, TrainingError
from schemas.ids import hash_fraction, seed_id
from schemas.records import Example, ExampleOrigin, HumanRating
from tests.unit.checkpoints import make_checkpoint, make_tokenizer


def _example(number: int, origin: ExampleOrigin = ExampleOrigin.SEED) -> Example:
    # No two are near to each other: the fourth and fifth word are the number's own.
    instruction, response = (
        f"What does n{number} m{number}?",
        f"Number {number} is good for counting up to {number}.",
    )
    return Example(
        id=seed_id(instruction, None, response),
        instruction=instruction,
        response=response,
        origin=origin,
    )


_SEEDS = [_example(number) for number in range(20)]
_MORE_SEEDS = [_example(number) for number in range(200, 260)]
_AUGMENTED = [_example(number, ExampleOrigin.AUGMENTED) for number in range(100, 110)]


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    directory: Path = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(directory)
    return Prompter.load(directory)


def test_bundled_seeds_are_many_and_distinct() -> None:
    seeds = read_seeds()
    assert len(seeds) >= 60
    assert len({seed.id for seed in seeds}) == len(seeds)
    training, held_out = split(seeds)
    assert len(training) + len(held_out) == len(seeds)
    assert not {seed.id for seed in training} & {seed.id for seed in held_out}
    assert all(hash_fraction(seed.id) < 0.2 for seed in held_out)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"instruction": "a"}',
        '{"instruction": " ", "response": "b"}',
        '{"instruction": 1, "response": "b"}',
    ],
)
def test_error_names_the_line_of_an_invalid_seed(tmp_path: Path, line: str) -> None:
    file = tmp_path / "seeds.jsonl"
    file.write_text('{"instruction": "a", "response": "b"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"seeds\.jsonl[:#]2"):
        read_seeds(file)


def test_held_out_seeds_are_never_trained_on(prompter: Prompter) -> None:
    leak = _AUGMENTED[0].model_copy(
        update={"instruction": f"  {split(_SEEDS)[1][0].instruction.upper()} "}
    )
    data = divide([*_SEEDS, *_AUGMENTED[1:], leak], 0.2)
    assert leak.id not in {example.id for example in data.augmented}
    drawn = sequences(data, prompter, TrainingSettings(epochs=3), 512)
    secret = {
        tuple(prompter.target(text))
        for seed in data.held_out
        for text in (seed.instruction, seed.response)
    }
    for sequence in drawn:
        target = tuple(
            id for id, weight in zip(sequence.ids, sequence.weights, strict=True) if weight
        )
        assert target not in secret
        for seed in data.held_out:
            assert prompter.decode(list(sequence.ids)).find(seed.response) < 0


def test_examples_near_to_a_held_out_seed_are_left_out_and_counted() -> None:
    held_out = split(_SEEDS)[1][0]
    near = held_out.model_copy(
        update={
            "id": "f" * 32,
            "instruction": f"Please: {held_out.instruction}",
            "response": "Another.",
        }
    )
    same = _AUGMENTED[0].model_copy(update={"response": f"{held_out.response}\n"})
    assert hash_fraction(near.id) >= 0.2  # it would be trained on
    before = divide([*_SEEDS, *_AUGMENTED[1:]], 0.2)
    after = divide([*_SEEDS, *_AUGMENTED[1:], near, same], 0.2)
    assert after.leaked == before.leaked + 2
    assert (after.seeds, after.augmented, after.held_out) == (
        before.seeds,
        before.augmented,
        before.held_out,
    )


def test_each_origin_has_its_tag_and_only_human_pairs_are_graded(prompter: Prompter) -> None:
    data = divide([*_SEEDS, *_AUGMENTED], 0.2)
    drawn = set(sequences(data, prompter, TrainingSettings(epochs=1), 512))
    maker = SequenceMaker(prompter)
    for tag, examples in ((SEED_TAG, data.seeds), (AUGMENTED_TAG, data.augmented)):
        for example in examples:
            assert maker.forward(Pair.of(example), tag) in drawn
            assert maker.backward(Pair.of(example)) in drawn
    ratings = [
        sequence for sequence in drawn if sequence.weights[-1] == TrainingSettings().rating_weight
    ]
    assert ratings
    for sequence in ratings:
        assert not any(
            example.response in prompter.decode(list(sequence.ids)) for example in data.augmented
        )


def test_human_ratings_are_trained_on_if_there_are_enough(prompter: Prompter) -> None:
    maker = SequenceMaker(prompter, rating_weight=TrainingSettings().rating_weight)
    rated = [
        RatedPair(f"id {number}", Pair(f"Which is {number}?", f"It is {number}."), 1 + number % 5)
        for number in range(60)
    ]
    data = divide([*_SEEDS, *_AUGMENTED], 0.2, rated)
    expected = {maker.rating(each.pair, each.score) for each in data.rated}
    secret = {maker.rating(each.pair, each.score) for each in data.rated_held_out}
    few = set(sequences(data, prompter, TrainingSettings(), 512))
    many = set(sequences(data, prompter, TrainingSettings(least_ratings=60), 512))
    assert not few & expected
    assert many >= expected
    assert not many & secret


def test_order_is_repeatable_and_within_the_token_budget(prompter: Prompter) -> None:
    data = divide([*_SEEDS, *_AUGMENTED], 0.2)
    settings = TrainingSettings(max_tokens=2_000)
    drawn = sequences(data, prompter, settings, 512)
    assert drawn == sequences(
        divide([*_AUGMENTED, *reversed(_SEEDS)], 0.2), prompter, settings, 512
    )
    assert 0 < sum(len(sequence.ids) for sequence in drawn) <= 2_000


def test_there_are_no_more_sequences_than_the_steps_take(prompter: Prompter) -> None:
    settings = TrainingSettings(epochs=9, max_steps=3, batch=4)
    assert len(sequences(divide(_SEEDS, 0.2), prompter, settings, 512)) == 12


def test_no_fitting_example_is_an_error(prompter: Prompter) -> None:
    with pytest.raises(TrainingError, match="within 10 tokens"):
        sequences(divide(_SEEDS, 0.2), prompter, TrainingSettings(), 10)


def test_too_few_seeds_are_an_error() -> None:
    with pytest.raises(TrainingError, match="seeds"):
        divide(_AUGMENTED, 0.2)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', "\x00"])
def test_error_names_the_line_of_an_invalid_example(tmp_path: Path, line: str) -> None:
    file = tmp_path / "examples.jsonl"
    file.write_text(f"{_SEEDS[0].model_dump_json()}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"examples\.jsonl:3"):
        read_examples(file)


def test_rates_and_batches_depend_on_the_size() -> None:
    settings = TrainingSettings()
    assert settings.rate_for(6_700_000) == 3e-4
    assert settings.rate_for(7_000_000_000) == 1e-5
    assert settings.batch_for(500) == 8
    assert settings.batch_for(3_000) == 32
    assert TrainingSettings(rate=0.5, batch=2).rate_for(1) == 0.5
    assert settings.rate_for(7_000_000_000, adapters=True) == pytest.approx(1e-4)
    assert TrainingSettings(rate=0.5).rate_for(1, adapters=True) == 0.5
    assert [settings.rank_for(size) for size in (999_999_999, 1_000_000_000)] == [0, 16]
    assert [TrainingSettings(lora_rank=rank).rank_for(7_000_000_000) for rank in (0, 4)] == [0, 4]
    assert settings.digest() != TrainingSettings(seed=1).digest()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.training
def test_killed_run_resumes_to_the_same_weights(
    tmp_path: Path, prompter: Prompter, rank: int
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from models.training.lora import adapt, merged
    from models.training.tuning import Step, fit

    torch.set_num_threads(1)  # more wait for each other where cores are shared

    checkpoint = make_checkpoint(tmp_path / "tiny", half=False)
    drawn = sequences(divide(_SEEDS, 0.2), prompter, TrainingSettings(), 512)
    settings = TrainingSettings(save_steps=2, max_steps=6)

    def run(work: Path, die_at: int | None = None) -> tuple[list[int], dict[str, torch.Tensor]]:
        seen: list[int] = []

        def report(now: Step) -> None:
            if now.step == die_at:
                raise KeyboardInterrupt
            assert now.steps == 6
            assert now.tokens_per_second > 0
            assert (now.seconds_left > 0) == (now.step < 6)
            seen.append(now.step)

        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        tuned = adapt(model, rank, seed=0) if rank else model
        assert fit(tuned, checkpoint, drawn, 16, settings, work, report) == 6
        return seen, merged(tuned).state_dict()

    steps, whole = run(tmp_path / "whole")
    assert steps == [1, 2, 3, 4, 5, 6]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", die_at=4)
    (tmp_path / "killed" / "checkpoint-4").mkdir()  # as a kill while it was written leaves it
    steps, resumed = run(tmp_path / "killed")
    assert steps == [3, 4, 5, 6]
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, msg=name)
    before = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).state_dict()
    assert before.keys() == whole.keys()
    changed = {name for name in before if not torch.equal(before[name], whole[name])}
    assert changed == (
        {name for name in before if name.endswith("_proj.weight")} if rank else set(before)
    )


def test_adapters_are_merged_into_the_weights(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from models.training.lora import adapt, merged

    checkpoint = make_checkpoint(tmp_path / "tiny", half=False)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    ids = torch.arange(8)[None]
    before = model(ids).logits
    adapted = adapt(model, 4, seed=0)
    torch.testing.assert_close(adapted(ids).logits, before, msg="they begin at nothing")
    learning = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert {name.rsplit(".", 3)[0].rsplit(".", 1)[1] for name in learning} == {
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    after = adapted(ids).logits
    whole = merged(adapted)
    assert type(whole) is type(model)
    assert not any("lora" in name for name in whole.state_dict())
    torch.testing.assert_close(whole(ids).logits, after, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(after, before)


@pytest.mark.training
async def test_pairs_are_rated_as_the_settings_say(judge_release: Path) -> None:
    from models.training.run import _serve  # imports torch

    data = divide(_SEEDS, 0.2)
    combined, digits = [
        await _serve(judge_release, TrainingSettings(measured=2, **chosen), data, lambda line: None)
        for chosen in ({"target_precision": 1.0}, {"evidence": EvidenceKind.DIGITS})
    ]
    assert combined.judges is not None
    assert (combined.threshold, digits.threshold) == (math.inf, 4.0)
    assert combined.labelled.shape == digits.labelled.shape == (2, len(LABELS))
    assert np.isfinite([combined.labelled, digits.labelled]).all()
    assert not np.allclose(combined.labelled, digits.labelled)
    assert len(combined.agreement.scores) == len(combined.agreement_trained.scores) == 0


def _train(
    base: Path, examples: Path, releases: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "models.training",
            "--base",
            str(base),
            "--examples",
            str(examples),
            "--output",
            str(releases),
            "--threads",
            "1",
            "--max-tokens",
            "6000",
            *options,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.training
def test_run_writes_a_release_that_can_be_served(tiny_release: Path, tmp_path: Path) -> None:
    base = tiny_release
    examples = tmp_path / "examples.jsonl"
    examples.write_text(
        "".join(e.model_dump_json() + "\n" for e in (*_SEEDS, *_MORE_SEEDS, *_AUGMENTED)),
        encoding="utf-8",
    )
    ran = _train(base, examples, tmp_path / "releases")
    assert ran.returncode == 0, ran.stderr
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] not in ("step", "working")] == [
        "precision",
        "started",
        "evaluated",
        "evaluated",
        "released",
    ]
    steps = [event for event in events if event["event"] == "step"]
    assert steps
    assert steps[-1]["step"] == steps[-1]["steps"]
    released = Path(events[-1]["directory"])
    manifest = verify(released)
    assert manifest.id == released.name == events[-1]["id"]
    assert manifest.base == manifest.parent == read_manifest(base).id
    assert manifest.counts["examples"] == len(_AUGMENTED)
    assert manifest.metrics.keys() == manifest.parent_metrics.keys()
    assert manifest.metrics["response_nll"] < manifest.parent_metrics["response_nll"], (
        "it learned something"
    )
    assert manifest.metrics["pairs"] == manifest.counts["held_out"]
    assert manifest.verdict
    assert manifest.intervals["nll"][2] < 0, "and by more than chance"
    assert f"on {manifest.counts['held_out']} pairs" in manifest.verdict.reason
    forgotten = any(
        manifest.intervals[f"rating_{name}"][0] < -tolerance
        or manifest.intervals[f"rating_{name}"][2] < 0
        for name, tolerance in (
            ("auc", 0.03),
            ("correlation", 0.1),
            ("precision", 0.1),
            ("recall", 0.1),
        )
    )
    assert manifest.verdict.promote is not forgotten, "what it forgot of ratings decides"
    assert events[-1]["verdict"] == {
        "promote": manifest.verdict.promote,
        "reason": manifest.verdict.reason,
    }
    for name in (REPORT, DATA, CURVE, HISTOGRAM):
        assert manifest.files[name] == sha256_of(released / name), "the sums hold the report too"
    told = json.loads((released / DATA).read_text(encoding="utf-8"))
    assert told["verdict"] == events[-1]["verdict"]
    assert told["metrics"] == manifest.metrics
    assert (released / "model.safetensors").read_bytes() != (
        base / "model.safetensors"
    ).read_bytes()
    assert [path.name for path in (tmp_path / "releases").iterdir()] == [released.name], (
        "nothing is left behind"
    )
    engine = Engine.load(released, device="cpu", threads=1)
    try:
        asyncio.run(reproduce(released, engine, Prompter.load(released)))
    finally:
        engine.close()
    again = _train(base, examples, tmp_path / "releases")
    assert [json.loads(line) for line in again.stdout.splitlines()] == [events[0], events[-1]], (
        "found again, with the same verdict"
    )
    (released / REPORT).write_text("Better than any other.\n", encoding="utf-8")
    with pytest.raises(ModelError, match=REPORT):
        verify(released)


@pytest.mark.slow
@pytest.mark.training
def test_human_ratings_make_another_run_and_calibrate_it(
    tiny_release: Path, tmp_path: Path
) -> None:
    base = tiny_release
    examples, ratings = tmp_path / "examples.jsonl", tmp_path / "ratings.jsonl"
    examples.write_text("".join(e.model_dump_json() + "\n" for e in _SEEDS), encoding="utf-8")
    human_ratings = [
        HumanRating(
            id=f"id {number}",
            instruction=f"Is {number} odd?",
            response=f"{number} is odd. " * 3,
            score=1,
        )
        for number in range(60)
    ]
    ratings.write_text(
        "".join(rating.model_dump_json() + "\n" for rating in human_ratings), encoding="utf-8"
    )
    without = _train(base, examples, tmp_path / "releases", "--max-steps", "2")
    ran = _train(
        base, examples, tmp_path / "releases", "--max-steps", "2", "--ratings", str(ratings)
    )
    assert ran.returncode == 0, ran.stderr
    one, other = (json.loads(each.stdout.splitlines()[-1]) for each in (without, ran))
    assert one["id"] != other["id"]
    manifest = verify(Path(other["directory"]))
    assert manifest.counts["ratings"] + manifest.counts["ratings_held_out"] == 60
    assert manifest.metrics["people_error"] > 0
    assert "people_error" not in one["metrics"]
    told = json.loads((Path(other["directory"]) / DATA).read_text(encoding="utf-8"))
    assert told["calibration"] is None, "equal scores for all pairs give no rising line"
    assert manifest.calibration is None
    rated = read_rated(Path(other["directory"]))
    assert len(rated) == manifest.counts["ratings"]
    assert RATED_FILE in manifest.files


@pytest.mark.slow
def test_base_that_is_not_a_release_fails_with_one_line(tmp_path: Path) -> None:
    examples = tmp_path / "examples.jsonl"
    examples.write_text("".join(e.model_dump_json() + "\n" for e in _SEEDS), encoding="utf-8")
    ran = _train(tmp_path, examples, tmp_path / "releases")
    assert ran.returncode == 1
    assert ran.stdout == ""
    failed = json.loads(ran.stderr.splitlines()[-1])
    assert failed["event"] == "failed"
    assert "not a release" in failed["error"]
