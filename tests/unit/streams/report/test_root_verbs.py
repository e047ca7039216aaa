"""The root verb and the object of an instruction."""

import pytest

from streams.report.figures.root_verbs import first_word, is_english, root_verb


@pytest.mark.parametrize(
    ("instruction", "word", "about"),
    [
        ("Write a short story about a dragon.", "write", "story"),
        ("Please give me three examples of renewable energy.", "give", "example"),
        ("Can you suggest some good movies?", "suggest", "movie"),
        ("I want you to generate a list of countries", "generate", "list"),
        ("Given a text about owls, list the species that it names.", "list", "species"),
        ("The text below is about rain. Summarize the main ideas.", "summarize", "idea"),
        ("Explain how a compiler works", "explain", "how"),
        ("What is the capital of Brazil?", "what", "capital"),
        ("What's the difference between a lion and a tiger?", "what", "difference"),
        ("How many players are on a team?", "how", "player"),
        ("How do I install this package?", "how", "install"),
        ("Why is the sky blue?", "why", ""),
        ("Is cricket popular?", "is", ""),
        ("In which year did the war end?", "which", "year"),
        ("Come up with five names for a cat", "come", "name"),
        ("Classify each of the animals as wild or tame", "classify", "animal"),
    ],
)
def test_root_and_object(instruction: str, word: str, about: str) -> None:
    found = root_verb(instruction)
    assert found is not None
    assert (found.word, found.object) == (word, about)


@pytest.mark.parametrize("instruction", ["", "...", "India's last ten presidents", "42", "\x00"])
def test_what_has_no_root(instruction: str) -> None:
    assert root_verb(instruction) is None


def test_questions_are_told_from_requests() -> None:
    asked, told = root_verb("Who wrote it?"), root_verb("Name who wrote it.")
    assert asked is not None
    assert told is not None
    assert (asked.question, told.question) == (True, False)


def test_other_languages_have_a_first_word() -> None:
    german = "Schreibe eine kurze Geschichte über einen Drachen, der in den Bergen wohnt."
    assert not is_english(german, "en")
    assert not is_english("Warum?", "de")
    assert is_english("Write a short story about the dragon and the princess.", "")
    assert first_word(german) == "schreibe"
    assert first_word("?!") == ""


def test_long_and_odd_texts_end() -> None:
    for text in ("a, " * 100_000, "what " * 100_000, "(" * 100_000, "given " * 100_000):
        root_verb(text)
