"""Training data of the house model: pairs, passages, grades, and repeatable sequences."""

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from models.house.contrast import ContrastSequence
from models.house.data import Passages, read_pairs, sequences
from models.house.settings import Phase, Recipe
from models.house.shorten import shorten
from models.prompts.layout import Prompter
from models.seeds.grades import Grader
from models.seeds.pairs import Pair
from tests.unit.checkpoints import make_tokenizer

_PAIRS = [
    Pair(
        f"What is the {colour} {thing} made of, and since when?",
        f"The {colour} {thing} is made of wood. " * 3 + "It is old.",
    )
    for colour in ("red", "green", "blue")
    for thing in ("house", "table", "boat", "bridge")
]


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    directory: Path = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(directory)
    return Prompter.load(directory)


def test_pairs_are_read_in_order_and_stripped(tmp_path: Path) -> None:
    file = tmp_path / "dolly.jsonl"
    rows = [
        {"instruction": " One? ", "context": "", "response": "1\n"},
        {"instruction": "Two?", "context": " given ", "response": "2"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_pairs(file) == [Pair("One?", "1"), Pair("Two?", "2", "given")]


def _passages(count: int) -> list[dict[str, object]]:
    return [
        {"source": f"doc/{n}.html", "headings": ["All", f"Part {n}"], "text": f"Passage {n}. " * 8}
        for n in range(count)
    ]


def _write_lines(file: Path, rows: list[dict[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_passages_are_split_by_document_and_only_once(tmp_path: Path) -> None:
    rows = _passages(400)
    read = Passages.read(_write_lines(tmp_path / "passages.jsonl", rows), held_out=0.05)
    again = Passages.read(_write_lines(tmp_path / "reversed.jsonl", rows[::-1]), held_out=0.05)
    assert 5 <= len(read.held_out) <= 40
    assert len(read.training) + len(read.held_out) == 400
    assert set(read.held_out) == set(again.held_out)


def test_common_heading_is_dropped(tmp_path: Path) -> None:
    rows = [{**row, "headings": ["Examples"]} for row in _passages(30)] + [
        {**row, "headings": []} for row in _passages(3)
    ]
    read = Passages.read(_write_lines(tmp_path / "passages.jsonl", rows), held_out=0.0)
    assert {pair.instruction for pair in read.training} == {""}


def test_sequences_are_repeatable_bounded_and_differ_by_phase(
    prompter: Prompter,
) -> None:
    every = Phase(tokens=1, passages=0.25, forward=0.25, rated=0.25, decay=1.0)
    recipe = Recipe(phases=(every, every), longest=900)
    documentation = [
        Pair("A heading", "A passage of documentation. " * 4),
        Pair("", "A passage without a heading. " * 4),
    ]
    first, second, other = (
        list(itertools.islice(sequences(recipe, index, prompter, _PAIRS, documentation), 80))
        for index in (0, 0, 1)
    )
    assert first == second
    assert first != other, "each phase reads the data in an order of its own"
    assert max(len(sequence.ids) for sequence in first) <= 900
    rated = [sequence for sequence in first if isinstance(sequence, ContrastSequence)]
    assert 0 < len(rated) < len(first)
    assert {len(sequence.ends) for sequence in rated} == {2 + recipe.negatives}
    assert len({sequence.ids[0] for sequence in first}) > 1, "more than one task"


@pytest.mark.parametrize("grade", [1, 2, 3, 4])
def test_worse_grades_are_damaged_pairs(grade: int) -> None:
    grader = Grader(_PAIRS, random.Random(grade))
    for pair in _PAIRS:
        graded = grader.draw(pair, grade)
        assert graded.grade == grade
        assert graded.pair.instruction
        assert graded.pair.response
    assert any(grader.draw(pair, grade).pair != pair for pair in _PAIRS)


def test_grade_5_is_the_pair_itself() -> None:
    assert Grader(_PAIRS, random.Random(0)).draw(_PAIRS[0], 5).pair == _PAIRS[0]


def test_negatives_are_lexical_random_and_borrowed_words() -> None:
    subjects = [
        f"{first}{second}ing"
        for first in "bdfgklmnprst"
        for second in ("all", "ell", "ill", "oll", "ull", "ash", "esh", "ish", "osh")
    ]
    grader = Grader(
        [Pair(f"Which is the {subject}?", "x") for subject in subjects], random.Random(0)
    )
    pair = Pair("Which is the river?", "Granite comes from Norway", "given")
    lexical, random_negative, borrowed_words = grader.negatives(grader.draw(pair, 5), 3)
    assert [negative.grade for negative in (lexical, random_negative, borrowed_words)] == [2, 1, 2]
    assert {
        (negative.pair.response, negative.pair.context)
        for negative in (lexical, random_negative, borrowed_words)
    } == {(pair.response, "given")}
    borrowed = {grader.negatives(grader.draw(pair, 5), 3)[2].pair.instruction for _ in range(50)}
    assert borrowed == {f"Which is the {word}?" for word in ("Granite", "comes", "from", "Norway")}
    assert grader.negatives(grader.draw(pair, 1), 3)[2].grade == 1, (
        "no negative has a better grade than the pair"
    )
    without = grader.negatives(grader.draw(Pair("Which?", "1, 2, 3"), 5), 3)[2].pair.instruction
    assert without.removeprefix("Which is the ").removesuffix("?") in subjects, (
        "there is nothing to borrow"
    )


def test_grades_are_the_same_in_every_process() -> None:
    program = (
        "import random; from models.seeds.grades import Grader; from models.seeds.pairs "
        "import Pair; "
        "pairs = [Pair(f'{one} {two} {one}{two}', 'x') for one in ('alpha', 'beta') for two "
        "in ('gamma', 'delta')]; "
        "grader = Grader(pairs, random.Random(1)); print([grader.lexical_negative(pair) for pair "
        "in pairs * 5])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_shortened_response_keeps_at_least_one_sentence() -> None:
    text = "One is first. Two is second!\nThree is a line\n\nFour? Five."
    found = {shorten(Pair("Count.", text, "given"), random.Random(seed)) for seed in range(300)}
    assert {(pair.instruction, pair.context) for pair in found} == {("Count.", "given")}
    responses = {pair.response for pair in found}
    assert {
        text,
        "One is first.",
        "Four? Five.",
        "One is first. Three is a line\n\nFour? Five.",
    } <= responses
    assert "" not in responses
    assert shorten(Pair("What?", "A word"), random.Random(1)).response == "A word"


def test_only_headings_that_are_questions_are_instructions(
    prompter: Prompter,
) -> None:
    backward = Phase(tokens=1, passages=0.0, forward=0.0, rated=0.0, decay=1.0)
    documentation = [
        Pair("How do I join?", "You ask the secretary. " * 4),
        Pair("Joining", "One may join. " * 6),
    ]
    read = itertools.islice(
        sequences(Recipe(phases=(backward,)), 0, prompter, _PAIRS, documentation), 60
    )
    texts = {
        prompter.tokenizer.decode(list(sequence.ids), skip_special_tokens=False)
        for sequence in read
    }
    assert any("How do I join?" in text for text in texts)
    assert not any("One may join." in text for text in texts)
