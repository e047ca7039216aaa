"""bench.loop: division of the data, steps, bootstrap intervals and report."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.loop.arms import CURATED, JUDGES, TRAINED, Arm, Signal
from bench.loop.bootstrap import Auc, Ratio, Resamples, SeedEstimate
from bench.loop.measure import columns
from bench.loop.plan import expected, names
from bench.loop.quality import nearest
from bench.loop.ratings import best_first, curate, in_random_order, requests
from bench.loop.report import Header, write_report
from bench.loop.settings import TINY, LoopSettings
from bench.loop.splits import Split, split
from bench.loop.steps import Done, PieceOver, Results, Steps
from models.evaluation.rouge import NEAR, rouge_l
from models.evaluation.words import words
from models.house.data import read_pairs
from models.seeds.pairs import Pair
from schemas.errors import SettingsError, SourceError
from schemas.records import Candidate, Provenance
from tests.unit.bench.loop_data import documents, write_rows

_SETTINGS = replace(
    TINY, seeds=6, unlabelled=8, passages=4, held_out=4, last_rows=20, training_seeds=(0, 1)
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "dolly.jsonl")


@pytest.fixture(scope="module")
def divided(data: Path) -> Split:
    return split(data, documents(), _SETTINGS)


def test_the_parts_have_nothing_in_common(divided: Split) -> None:
    instructions = [pair.instruction for pair in divided.held_out] + [*divided.truths.values()]
    instructions += [seed.instruction for seed in divided.seeds]
    responses = [pair.response for pair in divided.held_out]
    responses += [segment.text for segment in divided.unlabelled]
    responses += [seed.response for seed in divided.seeds]
    assert len(set(responses)) == len(responses) == 6 + 8 + 4 + 4
    asked = [words(instruction) for instruction in instructions]
    assert len(asked) == 6 + 8 + 4
    assert all(rouge_l(one, other) < NEAR for i, one in enumerate(asked) for other in asked[:i])


def test_held_out_pairs_are_from_the_last_rows(divided: Split, data: Path) -> None:
    assert set(divided.held_out) <= set(read_pairs(data)[-20:])


def test_a_split_is_read_as_it_was_written(divided: Split) -> None:
    assert Split.load(json.loads(json.dumps(divided.dump()))) == divided


def test_split_does_not_depend_on_the_order_of_rows(
    divided: Split, data: Path, tmp_path: Path
) -> None:
    lines = data.read_text(encoding="utf-8").splitlines()
    shuffled = tmp_path / "dolly.jsonl"
    shuffled.write_text(
        "\n".join([*lines[:-20][::-1], *lines[-20:][::-1]]) + "\n", encoding="utf-8"
    )
    assert split(shuffled, documents(), _SETTINGS) == divided


def test_too_little_data_is_an_error(data: Path) -> None:
    with pytest.raises(SourceError, match="for the 5000 seeds"):
        split(data, documents(), replace(_SETTINGS, seeds=5000))
    with pytest.raises(SourceError, match="have 6 passages"):
        split(data, documents(), replace(_SETTINGS, passages=5000))


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


def test_a_finished_item_is_not_done_again(tmp_path: Path) -> None:
    """Not even where a kill left the beginning of the next one's line."""
    worked: list[int] = []

    def work(missing: Any, done: Done) -> None:
        for number in reversed(missing):
            if len(worked) == 2:
                raise KeyboardInterrupt
            worked.append(number)
            done(number, number * 10)

    with pytest.raises(KeyboardInterrupt), _steps(tmp_path) as steps:
        steps.do_items("some", 4, work, lambda values: {"values": values})
    items = tmp_path / "items" / "some.jsonl"
    with items.open("a", encoding="utf-8") as lines:
        lines.write('{"number": 1, "sec')
    worked.clear()
    with _steps(tmp_path) as steps:
        found = steps.do_items("some", 4, work, lambda values: {"values": values})
    assert found["values"] == [0, 10, 20, 30]
    assert worked == [1, 0]


def test_a_run_ends_when_its_time_is_over(tmp_path: Path) -> None:
    over: list[bool] = []
    made: list[str] = []

    def make(name: str) -> dict[str, Any]:
        made.append(name)
        over.append(True)
        return {}

    with Steps(tmp_path, {}, lambda line: None, lambda: bool(over)) as steps:
        steps.do("first", partial(make, "first"))
        with pytest.raises(PieceOver):
            steps.do("second", partial(make, "second"))
    assert made == ["first"]
    assert Results(tmp_path / "results").value("first") == {}


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    _steps(tmp_path, seeds=1)
    with pytest.raises(SettingsError, match="results of other settings"):
        _steps(tmp_path, seeds=2)


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
    assert difference.verdict(3, lower_is_better=True) == "better"
    assert difference.verdict(3, lower_is_better=False) == "worse"


def test_difference_of_a_model_from_itself_is_inconclusive() -> None:
    model = [Auc(np.array([3.0, 4.0, 5.0]), np.array([1.0, 4.0, 2.0]))] * 2
    difference = Resamples.make(3, 2, 100).difference(model, model)
    assert difference == SeedEstimate(0.0, 0.0, 0.0, (0.0, 0.0))
    assert difference.verdict(2, lower_is_better=True) == "inconclusive"


def test_training_seeds_must_agree() -> None:
    estimate = SeedEstimate(0.2, 0.1, 0.3, (0.3, 0.3, -0.1))
    assert estimate.verdict(3, lower_is_better=False) == "inconclusive"


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


def test_the_best_candidates_come_first_and_unrated_ones_never() -> None:
    assert best_first([2.0, None, 4.5, 2.0]) == [2, 0, 3]
    assert sorted(in_random_order([2.0, None, 4.5, 2.0], 0)) == [0, 2, 3]


def test_a_set_has_as_many_as_were_asked_for(divided: Split) -> None:
    asked = ["What is known of a boat?", "So?", "How was the old tower built?", "Why do bees hum?"]
    candidates = [
        Candidate(
            id=f"c{number}",
            instruction=text,
            response=f"It stood for {number} years.",
            provenance=Provenance(segment_id=f"s{number}"),
        )
        for number, text in enumerate(asked)
    ]
    found = curate(candidates, [1, 0, 3, 2], divided.seeds, 2)
    assert found["numbers"] == [0, 3]
    assert found["refused"] == {"instruction_too_short": 1}
    assert [example["id"] for example in found["examples"]] == ["c0", "c3"]


def test_each_held_out_response_gets_three_requests() -> None:
    pairs = [Pair("Who built the bridge?", "A"), Pair("Who paid for the bridge?", "B")]
    assert requests(pairs)[:3] == [
        pairs[0],
        Pair(pairs[1].instruction, "A"),
        Pair(pairs[1].instruction, "A"),
    ]


def test_text_is_nearest_to_its_own_truth_or_not() -> None:
    truths = ["how does a bridge stand", "who built the tower", "when was paper made"]
    texts = ["why does a bridge stand", "how does a bridge stand", ""]
    assert nearest(texts, truths, 3) == [1.0, 0.0, 0.0]


_REPORTED = replace(_SETTINGS, held_out=12, resamples=50)


def _write(directory: Path, name: str, value: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"seconds": 60.0, "value": value})
    (directory / f"{name}.json").write_text(text, encoding="utf-8")


def _measured(hard: np.ndarray[Any, Any], number: int) -> dict[str, Any]:
    row = {"instruction_tokens": 10.0, "response_tokens": 20.0, "rank": 1}
    nats = 10 * (hard - 0.1 * number)
    return columns([[{"instruction": value, "response": value, **row} for value in nats]])


def _fabricate(directory: Path, settings: LoopSettings, seeds: tuple[int, ...]) -> Results:
    """Write result files in which every model is better than the one before it."""
    generator = np.random.default_rng(0)
    write = partial(_write, directory)
    hard = generator.uniform(1, 2, 12)
    write("data", {"counts": {"rows": 1000, "seeds": 6}})
    write("base.measure", _measured(hard, 0))
    for seed in seeds:
        for number, arm in enumerate(TRAINED, 1):
            write(f"{arm}-{seed}.measure", _measured(hard, number))
            trained = {"seeds": 6, "augmented": 3 * number, "sequences": 40, "tokens": 4000}
            write(f"{arm}-{seed}.train", {**trained, "steps": 5, "loss": 1.0})
        for arm in JUDGES:
            rated = {
                request: [*generator.uniform(1, 5, 12)] for request in ("true", "random", "hard")
            }
            write(f"{arm}-{seed}.judged", {"ratings": dict.fromkeys(Signal, rated)})
            write(f"{arm}-{seed}.judge", {})
            write(f"{arm}-{seed}.ratings", {})
        refused = {"unfinished_instruction": 1}
        write(f"m0-{seed}.candidates", {"candidates": [{}] * 7, "refused": refused})
        for arm in CURATED:
            write(f"{arm}-{seed}.set", {"numbers": [1, 2], "refused": {"not_novel": 1}})
        scores: list[float | None] = [None, *generator.uniform(1, 4.4, 7)]
        raters = [*(f"m0-{signal}" for signal in Signal), "m1-combined"]
        rated_at = dict.fromkeys(raters, 3.25)
        write(
            f"quality-{seed}",
            {
                "written": [False, *[True] * 7],
                "rouge": [0.0, *generator.uniform(0, 1, 7)],
                "nearest": [0.0, *[1.0] * 7],
                "rating": dict.fromkeys(raters, scores),
                "member": {arm: [False, True, True, *([False] * 5)] for arm in CURATED},
                "documentation": dict.fromkeys(CURATED, 2),
                "samples": [
                    ["A | response\nin lines", "Who?", "Why?", rated_at],
                    ["Another", "What?", "", dict.fromkeys(raters)],
                ],
            },
        )
    return Results(directory)


def _report(results: Results, directory: Path, discussion: Path = Path("none.md")) -> str:
    header = Header("python -m bench.loop --data some.jsonl", "2 cores")
    file = write_report(results, _REPORTED, header, directory, discussion)
    return file.read_text(encoding="utf-8")


def test_report_states_the_results(tmp_path: Path) -> None:
    discussion = tmp_path / "discussion.md"
    discussion.write_text("My discussion.\n", encoding="utf-8")
    results = _fabricate(tmp_path / "results", _REPORTED, (0, 1))
    text = _report(results, tmp_path / "docs", discussion)
    assert "python -m bench.loop --data some.jsonl" in text
    assert (
        "- **M1: seeds and curated by the combination** against **M0: seeds, short**: better in "
        "NLL of the instruction, NLL of the response; inconclusive in rank" in text
    )
    assert "| NLL of the instruction | -0.100 | -0.100 to -0.100 | -0.100 -0.100 | better |" in text
    # An empty set has no metrics.
    assert "| rated 4.5 or more | 0 | 0% | – | – | – |  |" in text
    assert "A \\| response in lines" in text
    assert "not complete" not in text
    assert "not run" not in text
    assert "My discussion." in text
    assert "## An earlier result" in text
    pictures = sorted(file.name for file in (tmp_path / "docs").glob("*.svg"))
    assert pictures == ["curation.svg", "differences.svg"]
    assert all(f"]({name})" in text for name in pictures)


def test_the_same_results_give_the_same_report(tmp_path: Path) -> None:
    results = _fabricate(tmp_path / "results", _REPORTED, (0, 1))
    for name in ("one", "two"):
        _report(results, tmp_path / name)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "two")]
    assert len(files[0]) == 3
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert "Discussion" not in (tmp_path / "one" / "loop.md").read_text(encoding="utf-8")


def test_report_says_what_was_not_run(tmp_path: Path) -> None:
    results = _fabricate(tmp_path / "results", _REPORTED, (0,))
    (results.directory / "curated-only-0.measure.json").unlink()
    text = _report(results, tmp_path / "docs")
    assert "**The experiment is not complete.**" in text
    assert "| m1 | done | not run |" in text
    assert "| curated-only | begun | not run |" in text
    assert "| curated alone | 0 of 2 | not run | not run | not run | not run |" in text
    assert f"against **{'curated alone'}**: not run." in text
    assert "none yet: 1 of 2 training seeds |" in text
    assert "| better |" not in text


def test_report_of_nothing_has_no_numbers(tmp_path: Path) -> None:
    text = _report(Results(tmp_path / "empty"), tmp_path / "docs")
    own = text.split("## An earlier result")[0]
    assert "| M0: seeds, short | 0 of 2 | not run | not run | not run | not run |" in own
    assert "Not run." in own
    assert not [*(tmp_path / "docs").glob("*.svg")]
    assert " to +" not in own


def test_every_step_is_planned(tmp_path: Path) -> None:
    planned = {name for some in names(_REPORTED).values() for name in some}
    done = _fabricate(tmp_path / "results", _REPORTED, (0, 1)).seconds().keys()
    assert planned <= done
    assert {name.rpartition(".")[2] for name in done - planned} == {
        *("data", "set", "quality-0", "quality-1")
    }


def test_the_whole_experiment_is_expected_to_take_about_four_hours() -> None:
    settings = LoopSettings()
    each, every = expected(settings), names(settings)
    assert sum(each[kind] * len(every[kind]) for kind in each) < 4.5 * 3600
    assert Arm.BASE not in TRAINED
