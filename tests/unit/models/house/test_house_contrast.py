"""Contrast sequences: branches attend to the shared response and themselves only."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from models.house.contrast import contrast, layout
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker
from models.seeds.grades import GradedPair
from models.seeds.pairs import Pair
from tests.unit.checkpoints import make_checkpoint

_RESPONSE = "A lake is a body of water that is surrounded by land."
_GRADED = [
    GradedPair(Pair("What is a lake?", _RESPONSE), 5),
    GradedPair(Pair("Why is a lake cold in the winter?", _RESPONSE), 2),
    GradedPair(Pair("Name three birds.", _RESPONSE), 1),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("house")
    make_checkpoint(directory)
    return directory


def test_each_branch_is_computed_as_if_it_were_alone(directory: Path) -> None:
    prompter = Prompter.load(directory)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32
    ).eval()
    maker = SequenceMaker(prompter)
    together = contrast(maker, _GRADED)
    positions, mask = layout([together], len(together.ids))
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor([together.ids]), position_ids=positions, attention_mask=mask
        ).logits[0]
        for index, graded in enumerate(_GRADED):
            alone = maker.rating(graded.pair, graded.grade).ids
            expected = model(input_ids=torch.tensor([alone])).logits[0]
            branch = slice(together.ends[index], together.ends[index + 1])
            assert together.ids[branch] == alone[together.ends[0] :]
            torch.testing.assert_close(
                logits[branch], expected[together.ends[0] :], rtol=1e-4, atol=1e-5
            )


def test_only_the_true_instruction_and_the_digits_are_targets(directory: Path) -> None:
    maker = SequenceMaker(Prompter.load(directory), prompt_weight=0.0, rating_weight=4.0)
    together = contrast(maker, _GRADED)
    digits = [end - 1 for end in together.ends[1:]]
    assert [together.weights[i] for i in digits] == [8.0, 4.0, 4.0], (
        "the first weighs as much as the others together"
    )
    taught = range(together.ends[0], together.ends[1] - 1)
    assert {together.weights[i] for i in taught} == {1.0}
    assert sum(w > 0 for w in together.weights) == len(taught) + len(digits)


def test_without_negatives_it_is_the_plain_rating(directory: Path) -> None:
    maker = SequenceMaker(Prompter.load(directory), prompt_weight=0.3, rating_weight=4.0)
    alone = contrast(maker, _GRADED[:1])
    plain = maker.rating(_GRADED[0].pair, 5, 1.0)
    assert (alone.ids, alone.weights) == (plain.ids, plain.weights)
