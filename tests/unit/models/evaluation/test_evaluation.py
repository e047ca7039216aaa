"""Measurement on held-out pairs, with a tiny model: batching does not change a pair's values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from models.evaluation.measure import expected_ratings, losses, measure
from models.evaluation.promotion import compare_releases
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker
from models.seeds.labelled import LABELS, labelled
from models.seeds.pairs import Pair
from tests.unit.checkpoints import make_checkpoint

_PAIRS = [
    Pair(
        f"What is a {thing}?", f"A {thing} is a thing. People {verb} it with great care. It is old."
    )
    for thing, verb in [
        ("lake", "swim in"),
        ("boat", "sail"),
        ("road", "drive along"),
        ("bell", "ring"),
        ("loaf", "eat"),
        ("song", "sing"),
        ("book", "read"),
        ("hill", "climb"),
        ("door", "open"),
        ("tree", "plant"),
        ("wall", "paint"),
        ("lamp", "light"),
    ]
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreTrainedModel, Prompter]:
    torch.set_num_threads(1)  # more threads are slower where cores are shared
    directory: Path = make_checkpoint(tmp_path_factory.mktemp("tiny"), half=False)
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32), Prompter.load(
        directory
    )


def test_labelled_pairs_are_always_the_same_and_have_every_grade() -> None:
    made = labelled(_PAIRS)
    assert made == labelled(_PAIRS)
    for pair, graded in zip(_PAIRS, made, strict=True):
        assert [each.grade for each in graded] == [5, 4, 3, 2, 1, 2, 1]
        assert [each.pair == pair for each in graded] == [True] + [False] * 6
        for mismatched in graded[-2:]:
            assert mismatched.pair.response == pair.response
            assert mismatched.pair.instruction in {other.instruction for other in _PAIRS} - {
                pair.instruction
            }


def test_pairs_that_all_ask_the_same_are_labelled_too() -> None:
    assert all(
        len(made) == 7
        for made in labelled([Pair("What?", f"It is {number}.") for number in range(3)])
    )


def test_each_pair_is_measured_by_itself(tiny: tuple[PreTrainedModel, Prompter]) -> None:
    model, prompter = tiny
    found = measure(model, prompter, _PAIRS)
    maker = SequenceMaker(prompter)
    assert found.pairs == tuple(range(len(_PAIRS)))
    for row, (pair, made) in enumerate(zip(_PAIRS[:3], labelled(_PAIRS)[:3], strict=True)):
        assert found.instruction[row] == pytest.approx(
            losses(model, [maker.backward(pair)])[0], rel=1e-4
        )
        assert found.response[row] == pytest.approx(
            losses(model, [maker.forward(pair)])[0], rel=1e-4
        )
        assert found.instruction[row, 1] == len(prompter.target(pair.instruction))
        alone = [
            expected_ratings(model, prompter, [maker.rating(each.pair, each.grade)])[0]
            for each in made
        ]
        assert found.ratings[row] == pytest.approx(alone, rel=1e-4)


def test_what_does_not_fit_is_left_out(tiny: tuple[PreTrainedModel, Prompter]) -> None:
    model, prompter = tiny
    long = Pair("What is long?", "This goes on and on. " * 40)
    assert measure(model, prompter, [*_PAIRS[:2], long, *_PAIRS[2:4]]).pairs == (0, 1, 3, 4)
    assert measure(model, prompter, [long]).metrics(4.0) == {"pairs": 0.0}


def test_ratings_of_the_served_model_replace_its_digits(
    tiny: tuple[PreTrainedModel, Prompter],
) -> None:
    model, prompter = tiny
    served = np.arange(4.0 * len(LABELS)).reshape(4, -1) / 7 + 1
    served[2, 3] = np.nan  # this pair could not be rated
    found, by_digits = (
        measure(model, prompter, _PAIRS[:4], served),
        measure(model, prompter, _PAIRS),
    )
    assert found.pairs == (0, 1, 3)
    np.testing.assert_array_equal(found.ratings, served[[0, 1, 3]])
    np.testing.assert_allclose(found.response, by_digits.response[[0, 1, 3]], rtol=1e-4)


@pytest.mark.training
def test_an_identical_model_is_kept_and_a_fitted_one_is_better_by_more_than_chance(
    tiny: tuple[PreTrainedModel, Prompter], tmp_path: Path
) -> None:
    model, prompter = tiny
    before = measure(model, prompter, _PAIRS)
    same = AutoModelForCausalLM.from_pretrained(
        make_checkpoint(tmp_path / "same", half=False), dtype=torch.float32
    )
    assert not compare_releases(measure(same, prompter, _PAIRS), before, (4.0, 4.0)).verdict.promote
    maker = SequenceMaker(prompter)
    optimiser = torch.optim.AdamW(same.parameters(), 3e-3)
    sequences = [
        sequence for pair in _PAIRS for sequence in (maker.forward(pair), maker.backward(pair))
    ]
    sequences += [maker.rating(each.pair, each.grade) for made in labelled(_PAIRS) for each in made]
    same.train()
    for _ in range(2):
        for sequence in sequences:
            ids = torch.tensor([sequence.ids])
            targets = torch.where(torch.tensor([sequence.weights]) > 0, ids, -100)
            same(input_ids=ids, labels=targets).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    comparison = compare_releases(measure(same, prompter, _PAIRS), before, (4.0, 4.0))
    assert comparison.changes["nll"][2] < 0
    assert comparison.verdict.promote, comparison.verdict.reason
