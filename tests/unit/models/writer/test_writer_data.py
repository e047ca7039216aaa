"""The writer's data: what is held out, what is drawn, and what a pair is about."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from models.prompts.layout import Prompter
from models.prompts.openings import OPENINGS
from models.releases.checkpoints import CHAT_TEMPLATE
from models.releases.names import WRITER_ADAPTER
from models.seeds.pairs import Pair
from models.training.leaks import LeakCheck
from models.writer.data import WriterData, first_word, read_documentation, training_sequences
from models.writer.settings import Recipe
from models.writer.subject import SubjectFinder
from schemas.errors import TrainingError
from tests.unit.checkpoints import make_tokenizer

_OPENINGS = ("What is", "List the parts of", "How does")
_RECIPE = Recipe(
    held_out=10, validation=10, shortest=10, epochs=2, ratings=12, micro_batch=4, longest=3000
)


@pytest.fixture
def dolly(tmp_path: Path) -> Path:
    words = [f"{first}{last}" for first in "bcdfg" for last in ("arn", "olm", "ent", "urt", "ips")]
    rows = [
        {
            "instruction": f"{_OPENINGS[n % 3]} {words[n % 25]}{n}?",
            "context": "given" if n % 9 == 0 else "",
            "response": f"The {words[n % 25]}{n} is made of {words[n % 7]} and does {n} things.",
        }
        for n in range(60)
    ]
    file = tmp_path / "dolly.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def prompter(tmp_path: Path) -> Prompter:
    make_tokenizer(
        tmp_path / "model",
        markers=False,
        chat_template=(WRITER_ADAPTER / CHAT_TEMPLATE).read_text(encoding="utf-8"),
        context=4096,
    )
    return Prompter.load(tmp_path / "model")


def test_the_last_rows_and_the_validation_rows_are_not_trained_on(dolly: Path) -> None:
    data = WriterData.read(dolly, _RECIPE)
    assert (len(data.held_out), len(data.validation)) == (10, 5)
    assert len(data.pairs) + data.leaked == 45
    kept_back = {pair.instruction for pair in (*data.held_out, *data.validation)}
    assert not kept_back & {pair.instruction for pair in data.pairs}


def test_a_file_that_is_all_held_out_is_refused(dolly: Path) -> None:
    with pytest.raises(TrainingError, match="give the whole file"):
        WriterData.read(dolly, Recipe(held_out=60))


def test_the_sequences_are_the_same_for_the_same_inputs(dolly: Path, prompter: Prompter) -> None:
    data = WriterData.read(dolly, _RECIPE)
    one, two = (training_sequences(data, prompter, _RECIPE) for _ in range(2))
    assert one == two
    weights = Counter(max(sequence.weights) for sequence in one)
    assert weights.keys() == {1.0, _RECIPE.response_weight, _RECIPE.rating_weight}
    assert weights[_RECIPE.rating_weight] == _RECIPE.epochs * _RECIPE.ratings


def test_documentation_asks_for_many_things_below_headings() -> None:
    headed = read_documentation()
    openings = Counter(first_word(each.pair.instruction) for each in headed)
    assert {word.lower() for word in OPENINGS} <= openings.keys()
    assert openings.most_common(1)[0][1] < len(headed) / 4
    for each in headed:
        assert each.headings
        assert all(each.headings)
        assert 400 < len(each.pair.response) < 3000
        assert each.pair.instruction.endswith((".", "?"))
    assert len({each.pair.instruction for each in headed}) == len(headed)


def test_near_rows_leak() -> None:
    check = LeakCheck([Pair("What is a very old barn made of?", "Wood.")])
    assert check.leaks(Pair("What is a very old barn made of", "Stone."))
    assert check.leaks(Pair("Anything", " wood. "))
    assert not check.leaks(Pair("How do bees find their way home?", "By the sun."))


def test_a_subject_is_the_rarest_shared_word_with_its_neighbours() -> None:
    common = ["What is the main point of this?"] * 300
    finder = SubjectFinder([*common, "What are the rules of Table Tennis in Sweden?"])
    pair = Pair("What are the rules of Table Tennis?", "In table tennis the ball must bounce.")
    assert finder.find(pair) == "table tennis"
    assert finder.find(Pair("What is the main point?", "The main point is this.")) == ""
    assert finder.find(Pair("What is zymology?", "It is a science.")) == ""


def test_a_subject_is_a_part_of_the_response() -> None:
    generator = random.Random(0)
    words = [f"w{n}" for n in range(60)]
    texts = [" ".join(generator.sample(words, 8)) for _ in range(300)]
    finder = SubjectFinder([*texts, *["the"] * 9000])
    for asked in texts[:50]:
        answered = " ".join(generator.sample(words, 20))
        assert finder.find(Pair(asked, answered)) in answered
