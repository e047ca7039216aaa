"""What the house model reads: human pairs, documentation, and how often each comes."""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.grades import Grader, Pair
from models.house.contrast import contrast
from models.house.settings import Recipe
from models.prompts import Prompter
from models.sequences import SequenceMaker, TrainingSequence
from models.templates import BOTH_TAGS, SEED_TAG

_SHORTEST_PASSAGE = 80
"""Characters below which a response says too little to recover its instruction from."""
_SEED_TAG_SHARE = 0.7
"""Share of forward sequences under the tag of human data; the rest stand under both tags, as at inference."""


def read_pairs(file: Path) -> list[Pair]:
    """Rows of a Dolly-format JSONL file as pairs, in file order."""
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return [Pair(row["instruction"].strip(), row["response"].strip(), row["context"].strip()) for row in rows]


def read_documentation() -> list[str]:
    """Paragraph groups of CPython's reference topics, at most 2,000 characters each; 5% are left out by hash."""
    from pydoc_data.topics import topics

    passages: list[str] = []
    for text in topics.values():
        passage = ""
        for paragraph in re.split(r"\n\s*\n", text):
            if passage and len(passage) + len(paragraph) > 2000:
                passages.append(passage)
                passage = ""
            passage = f"{passage}\n\n{paragraph}" if passage else paragraph
        passages.append(passage)
    return [p for p in passages if len(p) >= 200 and hashlib.sha256(p.encode()).digest()[0] >= 13]


def epochs(
    recipe: Recipe, index: int, prompter: Prompter, pairs: Sequence[Pair], documentation: Sequence[str]
) -> Iterator[TrainingSequence]:
    """The sequences of phase ``index`` without end, each epoch shuffled and graded anew; the same for the same seed."""
    phase = recipe.phases[index]
    # A seed of its own for each phase: with one for all, short phases would read the same beginning of the data again.
    generator = random.Random(recipe.seed + index)
    maker = SequenceMaker(prompter, phase.prompt_weight, recipe.rating_weight)
    grader = Grader(pairs, generator)
    passages = [pair for pair in pairs if len(pair.response) >= _SHORTEST_PASSAGE]
    # A context that answers a question is a passage in the voice of an encyclopaedia: closest to the stream's documents.
    passages += [Pair(pair.instruction, pair.context) for pair in pairs if 300 <= len(pair.context) <= 3000]
    order: list[int] = []
    while True:
        draw = generator.random()
        if draw < phase.documentation_share:
            sequence = maker.text(generator.choice(documentation))
        elif draw < phase.documentation_share + phase.forward_share:
            pair = generator.choice(pairs)
            sequence = maker.forward(pair, SEED_TAG if generator.random() < _SEED_TAG_SHARE else BOTH_TAGS)
        else:
            if not order:
                order = generator.sample(range(len(passages)), len(passages))
            pair = passages[order.pop()]
            grade = generator.choice(phase.grades)
            true_pair = grade == 5 and generator.random() < phase.unrated
            graded = grader.draw(pair, grade)
            sequence = maker.backward(pair) if true_pair else contrast(maker, [graded, *grader.rivals(graded, phase.rivals)])
        if len(sequence.ids) <= phase.longest:
            yield sequence
