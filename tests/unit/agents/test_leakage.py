"""Leaks between the instruction and the response of an example, and from the prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.curation.leakage import COPIED_START, QUOTED_RUN, copied_run, find_leak
from models.evaluation.words import words
from models.prompts.template import AUGMENTED_TAG, MARKERS, SEED_TAG

PASSAGE = """\
The yield statement is semantically equivalent to a yield expression. It can be used to omit the
parentheses that would otherwise be required in the equivalent yield expression statement. Yield
expressions and statements are only used when defining a generator function, and are only used in
the body of the generator function."""


@pytest.mark.parametrize(
    "instruction",
    [
        "What does the yield statement do in Python?",
        "Explain when yield expressions and statements are used.",
        "How is the yield statement related to the parentheses that would otherwise be "
        "required in an expression?",
        # A long subject in the response's words, after words of the instruction's own.
        "Why are yield expressions and statements only used when defining a generator function?",
        "Where can I find the score of each match, and what was the answer to the last question?",
        "What does a heading such as ### Parameters mean in a docstring?",
    ],
)
def test_naming_the_subject_is_no_leak(instruction: str) -> None:
    assert find_leak(instruction, PASSAGE) is None


@pytest.mark.parametrize(
    "instruction",
    [
        "It can be used to omit the parentheses that would otherwise be required",
        "it can be used to\nomit the (parentheses)?",
        "Is it right that yield expressions and statements are only used when defining a "
        "generator function, and are only used?",
    ],
)
def test_copied_instruction(instruction: str) -> None:
    leak = find_leak(instruction, PASSAGE)
    assert leak is not None
    assert leak.reason == "instruction_echoes_response"


def test_a_long_instruction_may_quote_what_it_asks_about() -> None:
    quote = "Yield expressions and statements are only used when defining a generator function"
    frame = " ".join(f"own{number}" for number in range(30))
    assert find_leak(f"{quote} {frame}", PASSAGE) is None


@pytest.mark.parametrize(
    "response",
    [
        "How do I sort a list?\n\nUse sorted().",
        "Q: how do I sort a list? A: Use sorted().",
        "Question:\n  **How do I  sort a list?**",
        "How do I sort a list",
    ],
)
def test_response_that_starts_with_the_instruction(response: str) -> None:
    leak = find_leak("How do I sort a list?", response)
    assert leak is not None
    assert leak.reason == "response_echoes_instruction"


@pytest.mark.parametrize(
    "response",
    ["", "???", "To sort a list, use sorted().", "How do I sort?", "How do I sort a listing?"],
)
def test_response_that_starts_otherwise(response: str) -> None:
    assert find_leak("How do I sort a list?", response) is None


@pytest.mark.parametrize(
    "marker",
    [
        *MARKERS,
        "<|im_end|>",
        "### Answer:",
        "###Request",
        "## Response",
        "\nAnswer: sorted",
        "Score: 4",
        "[/INST]",
        "</s>",
        SEED_TAG,
        AUGMENTED_TAG,
    ],
)
def test_traces_of_a_prompt(marker: str) -> None:
    leak = find_leak(f"How do I sort a list? {marker}", PASSAGE)
    assert leak is not None
    assert leak.reason == "prompt_leak"


def test_empty_lines_are_not_read_once_for_each_of_them() -> None:
    asked = "What is a list?" + "\n" * 150_000  # took ten minutes
    assert find_leak(asked, PASSAGE) is None
    leak = find_leak(asked + " answer: it", PASSAGE)
    assert leak is not None
    assert leak.reason == "prompt_leak"


@given(
    st.lists(st.sampled_from("abcde"), max_size=40), st.lists(st.sampled_from("abcde"), max_size=60)
)
def test_copied_run_is_what_a_search_for_every_run_gives(
    asked: list[str], answer: list[str]
) -> None:
    def length(start: int) -> int:
        return max(
            end - start
            for end in range(start, len(asked) + 1)
            if any(
                answer[at : at + end - start] == asked[start:end] for at in range(len(answer) + 1)
            )
        )

    start = length(0) if asked else 0
    longest = max((length(index) for index in range(len(asked))), default=0)
    half = len(asked) / 2
    if start >= COPIED_START and start >= half:
        expected = start
    else:
        expected = longest if longest >= QUOTED_RUN and longest >= half else 0
    assert copied_run(asked, " ".join(answer)) == expected


def test_words_are_lower_case_and_keep_underscores() -> None:
    assert words("What IS `__init__`, really?") == ["what", "is", "__init__", "really"]
