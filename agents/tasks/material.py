"""What of a passage is material for a task, and what of it is the answer.

Nothing is made up: the material is the passage, and the answer is a part of it, word for word. So
an answer keeps to its material, which a small model's own words would not.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.passages.leaning import BULLET, CODE_SIGNS, points_back, points_elsewhere
from agents.passages.length import length_of
from agents.passages.sentences import TERMINALS, sentences
from agents.tasks.labels import Choice, choice_of
from models.evaluation.words import words
from schemas.categories import Category
from schemas.ids import hash_fraction
from schemas.records import Segment

_SHORTEST, _LONGEST = 40, 400
"""Characters of a sentence that is an answer, by ``length_of``."""
_FEWEST = 3
"""Such sentences that a passage must have to set a task on it: else the answer is most of it."""
_MOST_CODE = 4
"""Signs of code from which on a sentence is no answer."""
_PROSE = 0.3
"""Share of a passage that such sentences must be. Among options, fields and fragments a sentence is
a detail that few would ask for, and three are no summary.
"""
_FEWEST_ITEMS, _MOST_ITEMS = 3, 12
_SUMMARY = 0.3
"""Share of the passage in a summary, at most."""
_SUMMARY_SENTENCES = 3
_SHORTEST_WORD = 4
"""Letters of a word that tells what a passage is about."""
_BLOCK = re.compile(r"\n[^\S\n]*\n")
_INDENTED = re.compile(r"(?: {4}|\t|```|>>>)")
_FIGURE = re.compile(r"(?<![\w.])(?<!\w\()\d+(?![\w.]*\w)")
"""A number that is no version, no part of a name and no section of a manual, as in tty(4)."""
_ENDS = re.compile(rf"[{TERMINALS}][\"'’”»)\]]*\Z")


@dataclass(frozen=True, slots=True)
class Material:
    """A task on a passage: what is given with the instruction, and what answers it."""

    category: Category
    context: str
    response: str
    choice: Choice | None = None
    """The labels of a classification, whose instruction names them; None for other tasks."""


def materials(segment: Segment, longest: int) -> dict[Category, Material]:
    """The tasks with a context that a passage can set, one of each category, in a fixed order.

    None has more than ``longest`` characters of context and response. Which sentence is asked for
    depends on the segment's id, so a replay gives the same.
    """
    found: dict[Category, Material] = {}
    room = longest - len(segment.text)
    if room <= 0:  # a text of megabytes is not even cut into sentences
        return found
    answers = _answers(segment.text)
    if len(answers) < _FEWEST:
        return found
    told = answers if _is_prose(segment.text, answers) else ()
    for category, make in _MAKERS.items():
        if response := make(segment, told):
            found[category] = Material(category, segment.text, response)
    if choice := choice_of(segment):
        found[Category.CLASSIFICATION] = Material(
            Category.CLASSIFICATION, segment.text, choice.label, choice
        )
    return {
        category: material
        for category, material in found.items()
        if len(material.response) + (len(material.choice.instruction) if material.choice else 0)
        <= room
    }


def _answers(text: str) -> list[str]:
    """The sentences of a passage that are understood alone."""
    blocks = (block for block in _BLOCK.split(text) if not _INDENTED.match(block))
    found = (" ".join(one.split()) for block in blocks for one in sentences(block))
    return [one for one in dict.fromkeys(found) if _stands_alone(one)]


def _stands_alone(sentence: str) -> bool:
    return (
        _SHORTEST <= length_of(sentence) <= _LONGEST
        and not sentence[0].islower()
        and sentence[0] not in "-*+•([{<>|#`"
        and _ENDS.search(sentence) is not None
        and not sentence.endswith("?")
        and len(CODE_SIGNS.findall(sentence)) < _MOST_CODE
        and not points_back(sentence)
        and not points_elsewhere(sentence)
    )


def _is_prose(text: str, answers: Sequence[str]) -> bool:
    """Whether enough of a passage are sentences that are understood alone."""
    return sum(map(len, answers)) >= _PROSE * len(" ".join(text.split()))


def _one_sentence(segment: Segment, answers: Sequence[str]) -> str:
    """A sentence of the passage, whichever its id draws; empty where there is none."""
    drawn = int(hash_fraction(f"answer {segment.id}") * len(answers))
    return answers[drawn] if answers else ""


def _listed(segment: Segment, answers: Sequence[str]) -> str:
    """The first list of the passage, else a sentence with a figure; empty where it has neither."""
    for block in _BLOCK.split(segment.text):
        lines = [line for line in block.split("\n") if line.strip()]
        items = [line for line in lines if BULLET.match(line)]
        if _FEWEST_ITEMS <= len(items) <= _MOST_ITEMS and len(items) == len(lines):
            return "\n".join(line.strip() for line in items)
    return next((one for one in answers if _FIGURE.search(one)), "")


def _summary(segment: Segment, answers: Sequence[str]) -> str:
    """The first sentence and those with the most frequent words of the passage, in its order.

    Empty where the passage begins otherwise: what the others are about is then not told.
    """
    if not answers or not " ".join(segment.text.split()).startswith(answers[0]):
        return ""
    counts = Counter(_about(segment.text))
    first, *rest = answers
    room = int(_SUMMARY * len(segment.text)) - len(first)
    chosen = {first}
    for sentence in sorted(rest, key=lambda one: -_weight(one, counts)):
        if len(chosen) < _SUMMARY_SENTENCES and len(sentence) < room:
            chosen.add(sentence)
            room -= len(sentence) + 1
    return " ".join(one for one in answers if one in chosen) if len(chosen) > 1 else ""


def _weight(sentence: str, counts: Counter[str]) -> float:
    """How frequent the words of a sentence are in the passage, on average."""
    found = _about(sentence)
    return sum(counts[word] for word in found) / len(found) if found else 0.0


def _about(text: str) -> list[str]:
    return [word for word in words(text) if len(word) >= _SHORTEST_WORD]


_MAKERS: dict[Category, Callable[[Segment, Sequence[str]], str]] = {
    Category.CLOSED_QA: _one_sentence,
    Category.INFORMATION_EXTRACTION: _listed,
    Category.SUMMARIZATION: _summary,
}
