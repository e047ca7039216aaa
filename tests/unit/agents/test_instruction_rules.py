"""The rules on the text of an instruction."""

import pytest

from agents.curation.instruction_rules import SELF_INSTRUCT_KEYWORDS, InstructionRules
from schemas.errors import SettingsError

RULES = InstructionRules()


@pytest.mark.parametrize(
    "instruction",
    [
        "What is a tuple?",
        # subjects in software, although they are in Self-Instruct's list
        "How does a map differ from a file in Python?",
        "2to3: what does it convert?",
        "Describe the paragraph on imagery.",  # keywords are whole words
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
        ("Explain the tuple", "instruction_too_short", "3 words"),
        (" \n ", "instruction_too_short", "0 words"),
        (" ".join(f"word{number}" for number in range(151)), "instruction_too_long", "151 words"),
        ("Describe what the IMAGE above shows", "instruction_keyword", "image"),
        ("Plot the function over that range", "instruction_keyword", "plot"),
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


def test_limits_are_settings() -> None:
    rules = InstructionRules(min_words=2, max_words=3, keywords=(), ascii_start=False)
    assert rules.refuse("Éléments d'image") is None
    assert rules.refuse("Tuples") is not None
    assert rules.refuse("What is a tuple?") is not None
    assert rules.refuse("- a tuple") is not None  # punctuation is punctuation in every script


def test_keywords_may_be_phrases_and_symbols() -> None:
    paper = InstructionRules(keywords=SELF_INSTRUCT_KEYWORDS)
    refusal = paper.refuse("Where should I go to see it?")
    assert refusal is not None
    assert refusal.detail == "go to"
    assert paper.refuse("Which file holds the settings of it?") is not None
    assert InstructionRules(keywords=("c++",)).refuse("Why is C++ so fast?") is not None


@pytest.mark.parametrize(
    "limits", [{"min_words": 0}, {"min_words": 9, "max_words": 8}, {"keywords": ("draw", " ")}]
)
def test_limits_that_make_no_sense(limits: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        InstructionRules(**limits)  # type: ignore[arg-type]
