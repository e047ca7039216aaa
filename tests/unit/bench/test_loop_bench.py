"""bench.loop: division of the data, resuming, bootstrap intervals and report."""

import asyncio
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"
)  # must precede torch, as must the next
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest

from bench.loop import stages
from bench.loop.base import pretrain
from bench.loop.bootstrap import Auc, Ratio, Resamples, SeedEstimate
from bench.loop.experiment import Arm, best_share, nearest
from bench.loop.measure import measure, validate
from bench.loop.plan import expected, kind
from bench.loop.report import Header, write_report
from bench.loop.settings import TINY, LoopSettings
from bench.loop.splits import Split, split, texts_that_quote
from bench.loop.steps import Results, Steps
from bench.loop.tune import release_of, tune
from models.evaluation.rouge import NEAR, rouge_l, words
from models.house.data import read_pairs
from models.seeds.pairs import Pair
from schemas.errors import SettingsError, SourceError
from schemas.records import Candidate, Provenance
from tests.unit.checkpoints import make_checkpoint

_SETTINGS = replace(
    TINY,
    seeds=6,
    unlabelled=8,
    passages=4,
    held_out=5,
    validation=4,
    last_rows=20,
    measured_unlabelled=8,
    training_seeds=(0, 1),
)
_THINGS = (
    "house",
    "table",
    "boat",
    "bridge",
    "tower",
    "wheel",
    "clock",
    "river",
    "candle",
    "mirror",
    "ladder",
    "garden",
)


def _row(number: int, thing: str) -> dict[str, str]:
    asked = f"Tell me how q{number} {thing} x{number} came about in y{number}?"
    said = (
        f"Row {number}: a {thing} of kind {number} was built by hand from wood and stone, and "
        f"stood for z{number} years in all."
    )
    return {"instruction": asked, "context": "", "response": said}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Instruction data and documentation in which some rows leak others."""
    rows = [
        _row(number, thing)
        for number in range(12)
        for thing in (_THINGS[number], _THINGS[(number + 5) % 12])
    ]
    rows += [_row(100 + number, thing) for number, thing in enumerate(_THINGS * 3)]
    telltales = [
        f"It was once asked: {row['instruction'].upper()} And so it was answered." + " Well." * 20
        for row in rows
    ]
    rows += [
        {"instruction": f"Say w{n} v{n} u{n} t{n}!", "context": "", "response": text}
        for n, text in enumerate(telltales)
    ]
    rows += [
        {
            "instruction": f"Sum up k{n} j{n} now",
            "context": f"Given {n}. " * 9,
            "response": "Too short.",
        }
        for n in range(5)
    ]
    last = [_row(500 + number, _THINGS[number % 12]) for number in range(20)]
    # The response of a row that is measured on, under another instruction, among the rows that the
    # base reads.
    rows += [
        {"instruction": f"Ask h{n} g{n} f{n} e{n}?", "context": "", "response": row["response"]}
        for n, row in enumerate(last)
    ]
    directory = tmp_path_factory.mktemp("data")
    data, documentation = directory / "dolly.jsonl", directory / "passages.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows + last), encoding="utf-8")
    passages = [
        {
            "source": f"doc/{n}.html",
            "headings": ["All", f"Part {n}"],
            "text": f"Passage {n} tells of things. " * 30,
        }
        for n in range(9)
    ]
    passages.append(
        {"source": "faq.html", "headings": ["Asked"], "text": f"{rows[0]['instruction']} " * 20}
    )
    documentation.write_text("".join(json.dumps(row) + "\n" for row in passages), encoding="utf-8")
    return data, documentation


@pytest.fixture(scope="module")
def divided(files: tuple[Path, Path]) -> Split:
    return split(*files, replace(_SETTINGS, base_texts=None))


def test_the_parts_have_nothing_in_common(divided: Split) -> None:
    pairs = [*divided.held_out, *divided.validation]
    instructions = (
        [pair.instruction for pair in pairs]
        + [*divided.truths.values()]
        + [seed.instruction for seed in divided.seeds]
    )
    responses = [pair.response for pair in pairs] + [segment.text for segment in divided.unlabelled]
    responses += [seed.response for seed in divided.seeds]
    assert len(set(responses)) == len(responses) == 6 + 8 + 4 + 5 + 4
    asked = [words(instruction) for instruction in instructions]
    assert len(asked) == 6 + 8 + 5 + 4
    assert all(rouge_l(one, other) < NEAR for i, one in enumerate(asked) for other in asked[:i])


def test_held_out_pairs_are_from_the_last_rows(divided: Split, files: tuple[Path, Path]) -> None:
    last = read_pairs(files[0])[-20:]
    assert set(divided.held_out) <= set(last)
    assert not set(divided.validation) & set(last)


def test_base_texts_have_no_instruction_and_no_held_out_response(divided: Split) -> None:
    texts = [*divided.dolly_texts, *divided.passage_texts]
    pairs = [*divided.held_out, *divided.validation]
    secret = (
        [pair.instruction for pair in pairs]
        + [*divided.truths.values()]
        + [seed.instruction for seed in divided.seeds]
    )
    folded = [" ".join(words(text)) for text in texts]
    assert not [
        text for text in folded for instruction in secret if " ".join(words(instruction)) in text
    ]
    assert not {pair.response for pair in pairs} & set(texts)
    assert divided.counts["texts left out for an instruction in them"] > 0
    assert divided.counts["texts left out for a response that is measured on"] >= len(
        divided.held_out
    )
    assert {segment.text for segment, _ in divided.answered} & set(
        texts
    )  # what is unlabelled may be read


def test_split_does_not_depend_on_the_order_of_rows(
    divided: Split, files: tuple[Path, Path], tmp_path: Path
) -> None:
    lines = files[0].read_text(encoding="utf-8").splitlines()
    shuffled = tmp_path / "dolly.jsonl"
    shuffled.write_text(
        "\n".join([*lines[:-20][::-1], *lines[-20:][::-1]]) + "\n", encoding="utf-8"
    )
    again = split(shuffled, files[1], replace(_SETTINGS, base_texts=None))
    assert (again.seeds, again.unlabelled, again.held_out) == (
        divided.seeds,
        divided.unlabelled,
        divided.held_out,
    )


def test_too_little_data_is_an_error(files: tuple[Path, Path]) -> None:
    with pytest.raises(SourceError, match="for the 5000 seeds"):
        split(*files, replace(_SETTINGS, seeds=5000))
    with pytest.raises(SourceError, match="passages of a fitting length"):
        split(*files, replace(_SETTINGS, passages=5000))


def test_a_quotation_is_found_whatever_its_case_and_punctuation() -> None:
    texts = [
        "He said: who BUILT the bridge? Nobody knew.",
        "who built the other bridge",
        "the bridge who built",
    ]
    assert texts_that_quote(texts, ["Who built the bridge?", "the bridge"]) == {0}


def _steps(work: Path, **identity: Any) -> Steps:
    return Steps(work, identity, lambda line: None)


def test_a_finished_step_is_not_done_again(tmp_path: Path) -> None:
    done: list[str] = []

    def make(name: str) -> dict[str, Any]:
        done.append(name)
        if name == "second" and done.count(name) == 1:
            raise KeyboardInterrupt
        return {"name": name}

    def run() -> list[dict[str, Any]]:
        with _steps(tmp_path, seeds=1) as steps:
            return [steps.do(name, partial(make, name)) for name in ("first", "second")]

    with pytest.raises(KeyboardInterrupt):
        run()
    values = run()
    assert done == ["first", "second", "second"]
    assert values == [{"name": "first"}, {"name": "second"}]
    assert set(Results(tmp_path / "results").seconds()) == {"first", "second"}


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    _steps(tmp_path, seeds=1)
    with pytest.raises(SettingsError, match="results of other settings"):
        _steps(tmp_path, seeds=2)


@pytest.mark.training
def test_resumed_pretraining_ends_as_an_uninterrupted_one(divided: Split, tmp_path: Path) -> None:
    settings = replace(
        _SETTINGS, vocabulary=300, layers=1, width=32, feed_forward=32, heads=1, base_tokens=150_000
    )
    once = pretrain(settings, divided, tmp_path / "once", lambda detail: None)

    def kill(detail: str) -> None:
        if detail.startswith("1"):  # past 100,000 tokens
            raise KeyboardInterrupt

    often = replace(settings, checkpoint_minutes=0.0)
    with pytest.raises(KeyboardInterrupt):
        pretrain(often, divided, tmp_path / "twice", kill)
    twice = pretrain(often, divided, tmp_path / "twice", lambda detail: None)
    assert once["tokens"] == twice["tokens"] >= 150_000
    assert (tmp_path / "twice" / "checkpoint" / "model.safetensors").is_file()
    assert twice["log"][-1][0] == once["log"][-1][0]
    assert twice["loss"] == pytest.approx(once["loss"], abs=0.05)


@pytest.mark.training
def test_every_step_uses_the_weights_of_the_previous_one(divided: Split, tmp_path: Path) -> None:
    base, pairs = make_checkpoint(tmp_path / "base"), [Pair.of(seed) for seed in divided.seeds]
    trained = tune(
        base,
        divided.seeds,
        (),
        _SETTINGS.training(60_000, 0, 3e-3),
        tmp_path / "m0",
        lambda detail: None,
    )
    before, after = (
        validate(checkpoint, pairs) for checkpoint in (base, tmp_path / "m0" / "checkpoint")
    )
    assert after < 0.6 * before
    assert trained["loss"] < 0.6 * before, "the loss was not that of the trained weights"


@pytest.mark.export
def test_one_model_from_the_base_to_its_metrics(divided: Split, tmp_path: Path) -> None:
    base = make_checkpoint(tmp_path / "base")
    settings = replace(_SETTINGS, longest=512, choices=4)
    told: list[str] = []
    trained = tune(
        base, divided.seeds, (), settings.training(3000, 0, 1e-3), tmp_path / "m0", told.append
    )
    assert trained["seeds"] == 6
    assert 0 < trained["tokens"] <= 3000
    release = release_of(tmp_path / "m0", "base")
    found = measure(tmp_path / "m0" / "checkpoint", release, divided, settings, told.append)
    assert {
        name: len(found[name]) for name in ("rating_true", "rating_hard", "first", "rouge")
    } == dict.fromkeys(("rating_true", "rating_hard", "first", "rouge"), 5)
    assert len(found["instruction"]["nats"]) == 5
    assert len(found["rouge_unlabelled"]) == len(found["first_unlabelled"]) == 8
    written, refused = asyncio.run(
        stages.write(release, divided.unlabelled, settings.sampling(), told.append)
    )
    assert len(written) + sum(refused.values()) == 12
    candidate = Candidate(
        id="c",
        instruction="What is known of this row?",
        response="It stood for long.",
        provenance=Provenance(segment_id="s"),
    )
    (scored,), _ = asyncio.run(stages.rate(release, [candidate], told.append))
    kept, _ = asyncio.run(stages.curate([scored], divided.seeds, 1.0))
    assert [example.rating for example in kept] == [scored.rating]
    assert asyncio.run(stages.curate([scored], divided.seeds, 5.0)) == ([], {"below_threshold": 1})


def test_paired_difference_has_a_smaller_interval_than_the_estimates(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    hard = generator.normal(size=100)  # how hard a pair is, for every model
    ours = [Ratio.mean([*(hard - 0.1 + 0.01 * generator.normal(size=100))]) for _ in range(3)]
    theirs = [Ratio.mean([*hard])] * 3
    resamples = Resamples.make(100, 3, 500)
    estimate, difference = resamples.estimate(ours), resamples.difference(ours, theirs)
    assert estimate.low < estimate.value < estimate.high
    assert difference.value == pytest.approx(-0.1, abs=0.005)
    assert difference.high - difference.low < 0.1 * (estimate.high - estimate.low)
    assert difference.verdict(lower_is_better=True) == "better"
    assert difference.verdict(lower_is_better=False) == "worse"


def test_difference_of_a_model_from_itself_is_inconclusive() -> None:
    model = [Auc(np.array([3.0, 4.0, 5.0]), np.array([1.0, 4.0, 2.0]))] * 2
    assert Resamples.make(3, 2, 100).difference(model, model) == SeedEstimate(
        0.0, 0.0, 0.0, (0.0, 0.0)
    )
    assert (
        Resamples.make(3, 2, 100).difference(model, model).verdict(lower_is_better=True)
        == "inconclusive"
    )


def test_training_seeds_must_agree() -> None:
    assert (
        SeedEstimate(0.2, 0.1, 0.3, (0.3, 0.3, -0.1)).verdict(lower_is_better=False)
        == "inconclusive"
    )


def test_a_counted_auc_is_that_of_the_repeated_pairs() -> None:
    above, below = np.array([3.0, 1.0, 2.0]), np.array([2.0, 0.0, 2.0])
    rows = np.array([0, 0, 2])
    (counted,) = Auc(above, below).of(np.array([[2.0, 0.0, 1.0]]))
    difference = above[rows][:, None] - below[rows][None, :]
    assert counted == pytest.approx((difference > 0).mean() + 0.5 * (difference == 0).mean())


def test_mean_of_a_subset_and_of_an_empty_one() -> None:
    counts = np.ones((1, 3))
    assert Ratio.mean([1.0, 2.0, 6.0], [True, False, True]).of(counts) == pytest.approx([3.5])
    assert np.isnan(Ratio.mean([1.0, 2.0, 6.0], [False] * 3).of(counts)).all()


def test_threshold_that_a_share_of_scores_reaches() -> None:
    assert best_share([4.5, 4.0, 3.0, 1.0], 0.5) == 4.0
    assert best_share([4.5], 0.1) == 4.5
    assert best_share([], 0.25) == 5.0


def test_text_is_nearest_to_its_own_truth_or_not() -> None:
    truths = ["how does a bridge stand", "who built the tower", "when was paper made"]
    assert nearest(["why does a bridge stand", "how does a bridge stand", ""], truths, 3) == [
        1.0,
        0.0,
        0.0,
    ]


_REPORTED = replace(_SETTINGS, held_out=12, resamples=50)


def _fabricate(directory: Path, settings: LoopSettings) -> Results:
    """Write result files in which every arm is better than M0."""
    directory.mkdir(parents=True)
    generator = np.random.default_rng(0)

    def write(name: str, value: dict[str, Any]) -> None:
        (directory / f"{name}.json").write_text(
            json.dumps({"seconds": 60.0, "value": value}), encoding="utf-8"
        )

    write("data", {"counts": {"rows": 1000, "seeds": 6}})
    write(
        "base",
        {
            "tokens": 1000,
            "parameters": 10,
            "seconds": 5.0,
            "loss": 3.2,
            "log": [[100, 5.0], [1000, 3.2]],
        },
    )
    write("rate", {"validation": [[0.001, 3.0], [0.003, 2.9]], "rate": 0.003})
    hard, responses = generator.uniform(1, 2, 12), 8
    for seed in settings.training_seeds:
        for number, arm in enumerate(Arm):
            nats = {"nats": [*(10 * (hard - 0.1 * number))], "tokens": [10.0] * 12}
            write(
                f"{arm}-{seed}.measure",
                dict.fromkeys(("instruction", "response", "response_both_tags"), nats)
                | {
                    name: [*generator.uniform(1, 5, 12)]
                    for name in ("rating_true", "rating_random", "rating_hard")
                }
                | {
                    "rouge": [*(hard / 4)],
                    "first": [1.0] * 12,
                    "rouge_unlabelled": [0.5] * 8,
                    "first_unlabelled": [0.0] * 8,
                },
            )
            trained = {
                "seeds": 6,
                "augmented": 3 * number,
                "sequences": 40,
                "tokens": 4000,
                "steps": 5,
                "rate": 0.003,
                "loss": 1.0,
            }
            write(f"{arm}-{seed}-0.003.train", trained)
        write(
            f"m0-{seed}.candidates",
            {"candidates": [{}] * 7, "refused": {"unfinished_instruction": 1}},
        )
        for arm in (Arm.M1, Arm.M2, Arm.UNCURATED):
            refused = {"below_threshold": 5, "not_novel": 1}
            write(
                f"{arm}-{seed}.set",
                {"examples": [{}] * 3, "refused": refused, "threshold": 3.9, "passing": 4},
            )
        ratings: list[float | None] = [*generator.uniform(1, 4.4, responses)]
        ratings[0] = None
        write(
            f"quality-{seed}",
            {
                "written": [False, *[True] * 7],
                "rouge": [0.0, *generator.uniform(0, 1, 7)],
                "nearest": [0.0, *[1.0] * 7],
                "first": [1.0] * 8,
                "rating": {"m0": ratings, "m1": ratings},
                "member": {
                    arm: [False, True, True, *[False] * 5] for arm in ("m1", "m2", "uncurated")
                },
                "documentation": {"m1": 1, "m2": 2, "uncurated": 3},
                "samples": [
                    ["A | response\nin lines", "Who?", "Why?", 3.25],
                    ["Another", "What?", "", None],
                ],
            },
        )
    return Results(directory)


def test_report_states_the_results(tmp_path: Path) -> None:
    results = _fabricate(tmp_path / "results", _REPORTED)
    header = Header("python -m bench.loop --data some.jsonl", "2 cores")
    discussion = tmp_path / "discussion.md"
    discussion.write_text("My discussion.\n", encoding="utf-8")
    text = write_report(results, _REPORTED, header, tmp_path / "docs", discussion).read_text(
        encoding="utf-8"
    )
    assert "python -m bench.loop --data some.jsonl" in text
    assert (
        "- **M1: seeds and curated** against **M0: seeds, short**: better in NLL of the instruction"
        in text
    )
    assert "| NLL of the instruction | -0.200 | -0.200 to -0.200 | -0.200 -0.200 | better |" in text
    curated_alone = text.split("### M1: seeds and curated less curated alone")[1].split("###")[0]
    assert "AUC" not in curated_alone  # which was not trained to rate
    assert (
        "| rated 4.5 or more | 0 | 0% | – | – | – | – |  |" in text
    )  # an empty set has no metrics
    assert "A \\| response in lines" in text
    assert "0.001: 3.000, 0.003: 2.900" in text
    assert text.endswith("My discussion.\n")
    pictures = sorted(file.name for file in (tmp_path / "docs").glob("*.svg"))
    assert pictures == ["base.svg", "curation.svg", "differences.svg"]
    assert all(f"]({name})" in text for name in pictures)


def test_the_same_results_give_the_same_report(tmp_path: Path) -> None:
    results = _fabricate(tmp_path / "results", _REPORTED)
    for name in ("one", "two"):
        write_report(results, _REPORTED, Header("c", "m"), tmp_path / name, tmp_path / "none.md")
    files = [
        sorted(file for file in (tmp_path / name).rglob("*") if file.is_file())
        for name in ("one", "two")
    ]
    assert len(files[0]) == 4
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert "Discussion" not in files[0][0].read_text(encoding="utf-8")


def test_report_leaves_out_missing_results(tmp_path: Path) -> None:
    results = _fabricate(tmp_path / "results", _REPORTED)
    for seed in _REPORTED.training_seeds:
        (results.directory / f"curated-only-{seed}.measure.json").unlink()
        (results.directory / f"curated-only-{seed}-0.003.train.json").write_text(
            '{"seconds": 0, "value": {"skipped": "none"}}'
        )
    text = write_report(results, _REPORTED, Header("c", "m"), tmp_path / "docs").read_text(
        encoding="utf-8"
    )
    assert "| curated alone | not trained" in text
    assert "less curated alone" not in text
    nothing = write_report(
        Results(tmp_path / "empty"), _REPORTED, Header("c", "m"), tmp_path / "other"
    )
    assert "# What the loop gains" in nothing.read_text(encoding="utf-8")


def test_every_kind_of_step_is_planned(tmp_path: Path) -> None:
    seconds = _fabricate(tmp_path / "results", _REPORTED).seconds()
    assert {kind(step) for step in seconds} <= set(expected(_REPORTED))
    assert sum(expected(LoopSettings()).values()) < 2 * 3600
