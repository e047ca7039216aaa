"""Whether one side of an example gives away the other, or the prompt that made it shows through.

A model that is trained on such pairs learns to copy. An instruction has to name its subject, so words in common are no
leak: what counts is a long run of the response's own words that makes up most of the instruction.
"""

import re
from itertools import groupby

from agents.curation.refusal import Refusal
from agents.curation.words import words
from models.templates import AUGMENTED_TAG, SEED_TAG

COPIED_RUN = 8
"""Words in a row, taken from the response, from which an instruction counts as copied, if they are half of it or more."""
QUOTED_RUN = 16
"""Words in a row from which it counts as copied however long it is."""

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

    Reasons: ``prompt_leak``, ``response_echoes_instruction`` (it starts by repeating it, perhaps after "Question:"),
    ``instruction_echoes_response`` (copied from it).
    """
    marker = _PROMPT.search(instruction)
    if marker:
        return Refusal("prompt_leak", f"{marker[0].strip()!r} in the instruction")
    asked = words(instruction)
    if _starts_with(response, instruction, asked):
        return Refusal("response_echoes_instruction", "the response starts with the instruction")
    run = longest_copied_run(asked, response)
    if run >= QUOTED_RUN or (run >= COPIED_RUN and 2 * run >= len(asked)):
        return Refusal("instruction_echoes_response", f"{run} of {len(asked)} words in a row are the response's")
    return None


def longest_copied_run(asked: list[str], response: str) -> int:
    """Length of the longest run of ``asked`` that occurs in ``response``; 0 where it is below COPIED_RUN."""
    if len(asked) < COPIED_RUN:
        return 0
    # Nearly every instruction ends here: splitting a long response into words costs ten times as much.
    text = response.lower()
    runs = (sum(1 for _ in group) for there, group in groupby(word in text for word in asked) if there)
    if max(runs, default=0) < COPIED_RUN:
        return 0
    text = f" {' '.join(words(response))} "
    longest = COPIED_RUN - 1
    for start in range(len(asked)):
        while start + longest < len(asked) and f" {' '.join(asked[start : start + longest + 1])} " in text:
            longest += 1
    return longest if longest >= COPIED_RUN else 0


def _starts_with(response: str, instruction: str, asked: list[str]) -> bool:
    """Whether the response's first words are the instruction's, a label such as "Q:" aside."""
    label = _LABEL.match(response)
    start = label.end() if label else 0
    first = _FIRST_WORD.search(response, start)
    if not asked or not first or first[0].lower() != asked[0]:
        return False
    # Enough of the response to hold the instruction laid out with more space or punctuation.
    return words(response[start : start + 2 * len(instruction) + 64])[: len(asked)] == asked
