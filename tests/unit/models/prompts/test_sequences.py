"""Training sequences have the prompt ids of inference."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence, batches
from models.prompts.template import AUGMENTED_TAG
from models.seeds.pairs import Pair
from tests.unit.checkpoints import make_tokenizer

_PAIRS = (
    Pair("Why is the sky blue?", "Air scatters short waves more than long ones."),
    Pair("Who wrote it?", "Ada did.", "A note by Ada, 1843."),
    Pair("What does <|score|> mean?", "It is <|end|> text, not a command."),
)


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    directory: Path = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(directory)
    return Prompter.load(directory)


@pytest.mark.parametrize("pair", _PAIRS)
def test_prompts_in_training_are_those_of_inference(prompter: Prompter, pair: Pair) -> None:
    maker = SequenceMaker(prompter)
    expected = {
        maker.backward(pair): (
            prompter.backward(pair.response, pair.context or None),
            pair.instruction,
        ),
        maker.forward(pair, AUGMENTED_TAG): (
            prompter.forward(pair.instruction, pair.context or None, AUGMENTED_TAG),
            pair.response,
        ),
    }
    for sequence, (prompt, target) in expected.items():
        assert list(sequence.ids) == prompt + prompter.target(target)
        assert sequence.weights == (0.0,) * len(prompt) + (1.0,) * len(prompter.target(target))


@pytest.mark.parametrize("grade", [1, 2, 3, 4, 5])
def test_a_rating_teaches_its_digit_and_nothing_else(prompter: Prompter, grade: int) -> None:
    pair = _PAIRS[1]
    sequence = SequenceMaker(prompter, rating_weight=4.0).rating(pair, grade)
    prompt = prompter.rating(pair.instruction, pair.response, pair.context)
    assert list(sequence.ids) == [*prompt, prompter.digit_ids[grade - 1]]
    assert sequence.weights == (0.0,) * len(prompt) + (4.0,)


def test_a_rating_can_teach_its_instruction_too(prompter: Prompter) -> None:
    pair = _PAIRS[0]
    sequence = SequenceMaker(prompter, prompt_weight=0.5, rating_weight=4.0).rating(
        pair, 5, instruction_weight=1.0
    )
    start = len(prompter.backward(pair.response))
    rest = len(sequence.ids) - 1 - start
    assert sequence.weights == (0.5,) * start + (1.0,) * rest + (4.0,)


def test_plain_text_is_all_target(prompter: Prompter) -> None:
    sequence = SequenceMaker(prompter, prompt_weight=0.5).text("Some text.")
    assert list(sequence.ids) == prompter.target("Some text.")
    assert set(sequence.weights) == {1.0}


@given(lengths=st.lists(st.integers(min_value=1, max_value=60), min_size=1, max_size=40))
def test_batches_hold_every_sequence_once_within_the_token_limit(lengths: list[int]) -> None:
    sequences = [
        TrainingSequence((index,) * length, (1.0,) * length) for index, length in enumerate(lengths)
    ]
    seen: list[int] = []
    stream = batches(itertools.cycle(sequences), batch_tokens=100, pool=len(sequences))
    while len(seen) < len(sequences):
        batch = next(stream)
        assert len(batch) * max(len(sequence.ids) for sequence in batch) <= 100
        seen += [sequence.ids[0] for sequence in batch]
    assert sorted(seen) == list(range(len(sequences)))
