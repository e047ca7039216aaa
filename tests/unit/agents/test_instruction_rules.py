"""The rules on the text of an instruction."""

import pytest

from agents.curation.instruction_rules import InstructionRules
from agents.curation.settings import SELF_INSTRUCT_KEYWORDS, CuratorSettings

RULES = InstructionRules()


@pytest.mark.parametrize(
    "instruction",
    [
        "What is a tuple?",
        "What is SQLite?",
        "Define entropy.",
        "SQLite nedir?",
        "Describe what the IMAGE above shows.",
        "Plot the graph of a function.",
        "How does a map differ from a file in Python?",
        "2to3: what does it convert?",
        "Explain why `yield` turns a function into a generator, and when that is useful.",
        "Name the café that opened first.",
        "Über was spricht der Text hier?",
        "¿Qué es una tupla en Python?",
        "「タプル」とは何かを説明してください。",
        "List ten things, and explain each of the things, and then order the things.",
        " ".join(f"word{number}" for number in range(150)),
    ],
)
def test_what_passes(instruction: str) -> None:
    assert RULES.refuse(instruction) is None


@pytest.mark.parametrize(
    ("instruction", "reason", "detail"),
    [
        ("Explain", "instruction_too_short", "1 words"),
        (" \n ", "instruction_too_short", "0 words"),
        (" ".join(f"word{number}" for number in range(151)), "instruction_too_long", "151 words"),
        (", and what is a tuple?", "instruction_start", "','"),
        ("  - what is a tuple?", "instruction_start", "'-'"),
        ("• What is a tuple here?", "instruction_start", "'•'"),
        ("– what is a tuple here?", "instruction_start", "'–'"),
        ("1 2 3 4 5 6", "instruction_no_letter", ""),
        (
            "What is the list of the list of the list of the list?",
            "instruction_repeats",
            "the list of",
        ),
        ("Explain and and and and and", "instruction_repeats", "and and and"),
    ],
)
def test_what_is_refused(instruction: str, reason: str, detail: str) -> None:
    refusal = RULES.refuse(instruction)
    assert refusal is not None
    assert refusal.reason == reason
    assert detail in refusal.detail


def rules(**limits: object) -> InstructionRules:
    return InstructionRules(CuratorSettings.model_validate(limits))


def test_limits_are_settings() -> None:
    some = rules(min_words=2, max_words=3)
    assert some.refuse("Éléments d'image") is None
    assert some.refuse("Tuples") is not None
    assert some.refuse("What is a tuple?") is not None
    assert some.refuse("- a tuple") is not None  # punctuation is punctuation in every script


def test_keywords_may_be_phrases_and_symbols() -> None:
    paper = rules(keywords=SELF_INSTRUCT_KEYWORDS)
    refusal = paper.refuse("Where should I go to see it?")
    assert refusal is not None
    assert refusal.detail == "go to"
    assert paper.refuse("Which file holds the settings of it?") is not None
    assert paper.refuse("Describe the paragraph on imagery.") is None, "they are whole words"
    assert rules(keywords=("c++",)).refuse("Why is C++ so fast?") is not None


def test_words_of_pictures_are_refused_only_where_there_is_no_passage() -> None:
    for instruction, keyword in (
        ("Describe what the IMAGE above shows.", "image"),
        ("Plot the graph of a function.", "plot"),
    ):
        assert next(RULES.refusals(instruction), None) is None
        refusal = next(RULES.refusals(instruction, invented=True))
        assert (refusal.reason, refusal.detail) == ("instruction_keyword", keyword)
