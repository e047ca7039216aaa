"""Names of code that an instruction has and its passage has not."""

import pytest

from agents.curation.identifiers import unknown_identifiers
from agents.curator import Curator
from schemas.records import Rejection
from tests.unit.agents.test_curator import ask, scored

PASSAGE = (
    "add_custom_target(Name [ALL]) has no output. See os.path.join() and --build, std::vector."
)


def found(instruction: str, *known: str) -> list[str]:
    return [one.detail for one in unknown_identifiers(instruction, *(known or (PASSAGE,)))]


@pytest.mark.parametrize(
    "instruction",
    [
        "What does `add_custom_target` do?",
        "What does add_custom_target() do?",
        "Compare os.path.join() with std::vector.",
        "Explain --build, please.",
        "What does ADD_CUSTOM_TARGET do?",
        "Explain JavaScript, Node.js, e.g. for a long-lived server (see the docs).",
        "Fill in the blank: ____ has no output.",
        "What is _meant_ by it?",
        "Is x - y -- or so -- the same?",
        "",
    ],
)
def test_names_of_the_passage_and_plain_words_pass(instruction: str) -> None:
    assert found(instruction) == []


@pytest.mark.parametrize(
    ("instruction", "name"),
    [
        ("What does `add_custom-target` do?", "add_custom-target"),
        ("What does add_custom_command do?", "add_custom_command"),
        ("What is __init_subclass__ for?", "__init_subclass__"),
        ("Explain os.path.split().", "os.path.split"),
        ("Compare std::list with it.", "std::list"),
        ("What does --install change?", "--install"),
    ],
)
def test_a_name_that_is_not_in_the_passage_is_refused(instruction: str, name: str) -> None:
    assert found(instruction) == [f"{name!r} is not in the passage"]


def test_headings_and_context_count_as_the_passage() -> None:
    assert found("What does set_name do?", "It sets it.", "set_name") == []


def test_the_curator_refuses_it() -> None:
    one = scored(instruction="What does add_custom-target do?", response=PASSAGE)
    made_from = one.candidate.provenance.model_copy(update={"segment_id": "s1"})
    candidate = one.candidate.model_copy(update={"provenance": made_from})
    (outcome,) = ask(Curator(), one.model_copy(update={"candidate": candidate}))
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "unknown_identifier"
    assert outcome.detail == "'add_custom-target' is not in the passage"


def test_a_long_word_takes_no_quadratic_time() -> None:
    assert found("a" * 150_000 + " " + "a-" * 75_000 + " " + "a." * 75_000) == []
