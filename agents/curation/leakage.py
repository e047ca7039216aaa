"""Leaks: text copied between instruction and response, or text of the prompt in the instruction.

A model that is trained on such pairs learns to copy. An instruction names its subject, often in the
response's words, so shared words alone are not a leak. A real instruction has words of its own
before the subject ("What is", "Explain"). A copied one starts with the copied words.

Measured on 13,515 human-written pairs of Dolly: a limit of 8 consecutive shared words anywhere
refuses 2.1%, nearly all because of a long subject. The limits here refuse under 0.2%.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from agents.refusal import Refusal
from models.evaluation.words import words
from models.prompts.template import AUGMENTED_TAG, SEED_TAG

COPIED_START = 8
"""An instruction that starts with this many consecutive words of the response counts as copied.

They must be half of the instruction or more: a longer instruction may quote what it asks about.
"""
QUOTED_RUN = 16
"""An instruction with this many consecutive words of the response anywhere counts as copied.

They must be half of the instruction or more, too.
"""

_PROMPT = re.compile(
    r"<\|\w+\|>"  # single tokens of our markers and of most chat templates
    r"|\#{2,3}\s*(?i:answer|request|response|instruction|input|output|given"
    r"|the\ request\ that\ it\ answers)\b"
    # Without line breaks: each empty line would be read from every line above it.
    r"|^[^\S\n]*(?i:instruction|request|response|answer)\s*:"
    r"|\bScore:"
    r"|\[/?INST\]|<</?SYS>>|</s>"
    rf"|{re.escape(SEED_TAG)}|{re.escape(AUGMENTED_TAG)}",
    re.MULTILINE,
)
_LABEL = re.compile(r"\W*(?:q|question|prompt|instruction|request|task)\s*:", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\w+")


def find_leak(instruction: str, response: str) -> Refusal | None:
    """The first leak in an example, or None."""
    return next(leaks(instruction, response), None)


def leaks(instruction: str, response: str) -> Iterator[Refusal]:
    """Every leak in an example.

    Reasons: ``prompt_leak``; ``response_echoes_instruction``, where the response starts with the
    instruction, possibly after "Question:"; ``instruction_echoes_response``, where the instruction
    is copied from the response.
    """
    marker = _PROMPT.search(instruction)
    if marker:
        yield Refusal("prompt_leak", f"{marker[0].strip()!r} in the instruction")
    asked = words(instruction)
    if _starts_with(response, instruction, asked):
        yield Refusal("response_echoes_instruction", "the response starts with the instruction")
    run = copied_run(asked, response)
    if run:
        yield Refusal(
            "instruction_echoes_response",
            f"{run} consecutive words of {len(asked)} are the response's",
        )


def copied_run(asked: list[str], response: str) -> int:
    """Number of consecutive words that an instruction copies from a response.

    0 where they are too few to count as copied. ``asked`` are the words of the instruction.
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
    """Whether enough of the words occur in the text at all.

    Nearly always False, at a tenth of the cost of finding a run.
    """
    if all(word in text for word in asked[:COPIED_START]):
        return True
    return (
        len(asked) >= QUOTED_RUN and _longest_streak([word in text for word in asked]) >= QUOTED_RUN
    )


def _run_from(asked: list[str], index: int, known: int, text: str) -> int:
    """Number of words from ``index`` on that are consecutive in ``text``; at least ``known``."""
    while index + known < len(asked) and f" {' '.join(asked[index : index + known + 1])} " in text:
        known += 1
    return known


def _longest_streak(flags: list[bool]) -> int:
    return max((sum(1 for _ in group) for flag, group in groupby(flags) if flag), default=0)


def _starts_with(response: str, instruction: str, asked: list[str]) -> bool:
    """Whether the response starts with the instruction, ignoring a label such as "Q:"."""
    label = _LABEL.match(response)
    start = label.end() if label else 0
    first = _FIRST_WORD.search(response, start)
    if not asked or not first or not first[0].lower().startswith(asked[0]):
        return False
    # This much of the response holds the instruction even with more space or punctuation.
    return words(response[start : start + 2 * len(instruction) + 64])[: len(asked)] == asked
