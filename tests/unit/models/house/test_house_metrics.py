"""The metrics of the house model's card, on a tiny random model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from models.engine import Precision
from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.metrics import auc
from models.export.graph import build
from models.export.likelihood import GraphScorer
from models.house.card import render
from models.house.evaluate import ranking_metrics, rating_metrics, response_metrics
from models.house.ranking import InstructionRanking
from models.house.writing import RatedInstruction
from models.prompts.layout import Prompter
from models.seeds.pairs import Pair
from tests.unit.checkpoints import make_checkpoint

_PAIRS = [
    Pair(f"What is a {thing}?", f"A {thing} is a thing that people {verb} with great care. " * 2)
    for thing, verb in [
        ("lake", "swim in"),
        ("boat", "sail"),
        ("road", "drive along"),
        ("bell", "ring"),
        ("loaf", "eat"),
    ]
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("house"), context=1024)


@pytest.fixture(scope="module")
def served(checkpoint: Path) -> tuple[GraphScorer, Prompter]:
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    build(model, checkpoint / "decoder.onnx")
    return GraphScorer(checkpoint, Precision.FP32, threads=1), Prompter.load(checkpoint)


def test_the_ranking_has_the_nll_of_each_instruction_after_each_response(
    checkpoint: Path, served: tuple[GraphScorer, Prompter]
) -> None:
    graph, prompter = served
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    found = InstructionRanking.measure(graph, prompter, _PAIRS)
    for row, response in enumerate([*(pair.response for pair in _PAIRS), ""]):
        for column, pair in enumerate(_PAIRS):
            prompt, target = prompter.backward(response), prompter.target(pair.instruction)
            with torch.no_grad():
                logits = model(torch.tensor([[*prompt, *target]])).logits[0, len(prompt) - 1 : -1]
            expected = -logits.log_softmax(-1).gather(1, torch.tensor(target)[:, None]).sum().item()
            measured = found.conditional[row, column] if response else found.unconditional[column]
            assert measured == pytest.approx(expected, rel=1e-4)
    assert found.own.tolist() == [found.conditional[i, i] for i in range(len(_PAIRS))]


def test_first_of_counts_every_draw_of_others() -> None:
    ones = np.ones(4, int)
    best = InstructionRanking(
        np.array([[0.0, 5, 5, 5], [5, 0, 5, 5], [5, 5, 0, 5], [5, 5, 5, 0]]), np.full(4, 6.0), ones
    )
    assert best.first_of(2).tolist() == [1.0] * 4
    same = InstructionRanking(np.full((4, 4), 5.0), np.full(4, 6.0), ones)
    assert same.first_of(2).tolist() == [0.0] * 4, "a tie is a loss"
    second = InstructionRanking(
        np.array([[3.0, 1, 5, 5], [5, 0, 5, 5], [5, 5, 0, 5], [5, 5, 5, 0]]), np.full(4, 6.0), ones
    )
    assert second.first_of(2)[0] == pytest.approx(2 / 3)
    assert second.first_of(4)[0] == 0.0


def test_interval_contains_its_statistic() -> None:
    values = np.arange(100.0)
    value, low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), 100)
    assert value == 49.5
    assert low < value < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    assert bootstrap_interval(lambda rows: 3.0, 10) == (3.0, 3.0, 3.0)


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([1.0])) == 1.0
    assert auc(np.array([1.0]), np.array([1.0, 0.0])) == 0.75


@pytest.mark.slow
def test_every_metric_has_an_interval_around_it(served: tuple[GraphScorer, Prompter]) -> None:
    model, prompter = served
    pairs = _PAIRS * 21  # first of 100 needs a hundred
    metrics = {
        **ranking_metrics(model, prompter, pairs),
        **response_metrics(model, prompter, _PAIRS),
        **rating_metrics(model, prompter, _PAIRS),
    }
    assert all(low <= value <= high for value, low, high in metrics.values())
    assert metrics["first_of_100"][0] == 0.0, "the same instruction many times over is never first"
    assert 1 <= metrics["mean_rating_of_grade_5"][0] <= 5


@pytest.mark.parametrize(
    ("text", "well_formed", "repeats"),
    [
        ("Why does it rain?", True, False),
        ("Why does it", False, False),
        ("What is the use of the use, and what is the use of it?", True, True),
    ],
)
def test_what_is_written_is_judged_by_its_form(text: str, well_formed: bool, repeats: bool) -> None:
    written = RatedInstruction(_PAIRS[0], text, 3.0)
    assert (written.well_formed, written.repeats) == (well_formed, repeats)


def test_the_card_keeps_the_text_around_its_metrics(tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text(
        "# Model\n<!-- written by models.house.evaluate -->\nold\n<!-- end -->\nLicence\n",
        encoding="utf-8",
    )
    written = [RatedInstruction(Pair("Is it | so?", "A\npassage"), "What <b>?", 4.25)]
    for _ in range(2):
        render(
            card,
            {"int8": {"first_of_10": (0.9, 0.8, 0.95)}, "fp32": {"first_of_10": (0.91, 0.8, 0.95)}},
            written,
            written,
        )
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# Model\n<!-- written")
    assert text.endswith("<!-- end -->\nLicence\n")
    assert "| 0.90 | 0.80 to 0.95 | 0.91 | 0.80 to 0.95 |" in text
    assert "| A passage | Is it \\| so? | What &lt;b>? | 4.2 |" in text
    assert "old" not in text
