"""Whether one side of an example gives away the other, or the prompt that made it shows through.

A model that is trained on such pairs learns to copy. An instruction has to name its subject, often
in the response's own words, so words in common are no leak. An instruction that asks has a frame of
its own before the subject ("What is", "Explain"); one that is copied starts within the copied
words. On 13,515 pairs of Dolly, written by people, a limit of 8 words in a row anywhere refuses
2.1%, nearly all of them for a long subject; the limits here refuse under 0.2%.
"""

import re
from itertools import groupby

from agents.refusal import Refusal
from models.evaluation.rouge import words
from models.prompts.templates import AUGMENTED_TAG, SEED_TAG

COPIED_START = 8
"""Words in a row of the response with which an instruction starts, from which it counts as
copied.
"""
QUOTED_RUN = 16
"""Words in a row of the response, anywhere in the instruction, from which it counts as copied.

Either has to make up half of the instruction: a longer one may quote what it asks about.
"""

_PROMPT = re.compile(
    r"<\|\w+\|>"  # single tokens of our markers and of most chat templates
    r"|\#{2,3}\s*(?i:answer|request|response|instruction|input|output|given|the\ request\ that\ it\ answers)\b"
    r"|^\s*(?i:instruction|request|response|answer)\s*:"
    r"|\bScore:"
    r"|\[/?INST\]|<</?SYS>>|</s>"
    rf"|{re.escape(SEED_TAG)}|{re.escape(AUGMENTED_TAG)}",
    re.MULTILINE,
)
_LABEL = re.compile(r"\W*(?:q|question|prompt|instruction|request|task)\s*:", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\w+")


def find_leak(instruction: str, response: str) -> Refusal | None:
    """The leak in an example, or None.

    Reasons: ``prompt_leak``, ``response_echoes_instruction`` (it starts by repeating it, perhaps
    after "Question:"), ``instruction_echoes_response`` (copied from it).
    """
    marker = _PROMPT.search(instruction)
    if marker:
        return Refusal("prompt_leak", f"{marker[0].strip()!r} in the instruction")
    asked = words(instruction)
    if _starts_with(response, instruction, asked):
        return Refusal("response_echoes_instruction", "the response starts with the instruction")
    run = copied_run(asked, response)
    if run:
        return Refusal(
            "instruction_echoes_response",
            f"{run} of {len(asked)} words in a row are the response's",
        )
    return None


def copied_run(asked: list[str], response: str) -> int:
    """Length of the run of words in a row for which an instruction counts as copied from a
    response; 0 where none does.
    """
    if len(asked) < COPIED_START:
        return 0
    if not _may_be_copied(asked, response.lower()):
        return 0
    text = f" {' '.join(words(response))} "
    start = _run_from(asked, 0, 0, text)
    if start >= COPIED_START and 2 * start >= len(asked):
        return start
    longest = QUOTED_RUN - 1
    for index in range(len(asked) - longest):
        longest = _run_from(asked, index, longest, text)
    return longest if longest >= QUOTED_RUN and 2 * longest >= len(asked) else 0


def _may_be_copied(asked: list[str], text: str) -> bool:
    """Whether enough of the words occur in the text at all. Nearly always not, at a tenth of the
    cost of finding a run.
    """
    if all(word in text for word in asked[:COPIED_START]):
        return True
    return (
        len(asked) >= QUOTED_RUN and _longest_streak([word in text for word in asked]) >= QUOTED_RUN
    )


def _run_from(asked: list[str], index: int, known: int, text: str) -> int:
    """The most words from ``index`` on that occur in a row in ``text``, or ``known`` where there
    are no more than that.
    """
    while index + known < len(asked) and f" {' '.join(asked[index : index + known + 1])} " in text:
        known += 1
    return known


def _longest_streak(flags: list[bool]) -> int:
    return max((sum(1 for _ in group) for flag, group in groupby(flags) if flag), default=0)


def _starts_with(response: str, instruction: str, asked: list[str]) -> bool:
    """Whether the response's first words are the instruction's, a label such as "Q:" aside."""
    label = _LABEL.match(response)
    start = label.end() if label else 0
    first = _FIRST_WORD.search(response, start)
    if not asked or not first or first[0].lower() != asked[0]:
        return False
    # Enough of the response to hold the instruction laid out with more space or punctuation.
    return words(response[start : start + 2 * len(instruction) + 64])[: len(asked)] == asked
