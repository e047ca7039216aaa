"""Measures a model pair by pair, on held-out pairs and on unlabelled responses."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from bench.loop.settings import LoopSettings
from bench.loop.splits import Split, as_segments
from bench.loop.stages import write
from bench.loop.steps import Note
from bench.loop.tune import load
from models.engine import chosen_precision
from models.evaluation.measure import expected_ratings, losses
from models.evaluation.rouge import rouge_l, words
from models.export.likelihood import GraphScorer
from models.house.ranking import InstructionRanking
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.prompts.templates import BOTH_TAGS, SEED_TAG
from models.seeds.grades import Grader
from models.seeds.pairs import Pair
from schemas.records import Segment


def nll(model: PreTrainedModel, sequences: Sequence[TrainingSequence]) -> dict[str, list[float]]:
    """Return nats and tokens of the target of each sequence."""
    nats, tokens = zip(*losses(model, sequences), strict=True)
    return {"nats": list(nats), "tokens": list(tokens)}


def validate(checkpoint: Path, pairs: Sequence[Pair]) -> float:
    """Return the mean of the two NLLs, nats a token, by which the learning rate is chosen."""
    model, maker = load(checkpoint).eval(), SequenceMaker(Prompter.load(checkpoint))
    both = [
        nll(model, [maker.backward(pair) for pair in pairs]),
        nll(model, [maker.forward(pair, SEED_TAG) for pair in pairs]),
    ]
    return float(np.mean([sum(each["nats"]) / sum(each["tokens"]) for each in both]))


def measure(
    checkpoint: Path, release: Path, split: Split, settings: LoopSettings, note: Note
) -> dict[str, Any]:
    """Measure a model pair by pair.

    ``instruction``, ``response`` (with the tag of human data, as the trainer measures) and
    ``response_both_tags`` (as at inference) are nats and tokens. ``rating_true``,
    ``rating_random``, ``rating_hard`` are expected ratings of true pairs, random and lexical
    negatives. ``rouge`` and ``first`` are on held-out pairs, ``rouge_unlabelled`` and
    ``first_unlabelled`` on responses on which the loop's models were trained.
    """
    pairs = split.held_out
    model, prompter = load(checkpoint).eval(), Prompter.load(checkpoint)
    maker = SequenceMaker(prompter)
    note("held-out likelihoods")
    found: dict[str, Any] = {
        "instruction": nll(model, [maker.backward(pair) for pair in pairs]),
        "response": nll(model, [maker.forward(pair, SEED_TAG) for pair in pairs]),
        "response_both_tags": nll(model, [maker.forward(pair, BOTH_TAGS) for pair in pairs]),
    }
    note("ratings")
    grader = Grader(pairs, random.Random(0))
    requests = {
        "rating_true": [pair.instruction for pair in pairs],
        "rating_random": [pair.instruction for pair in (*pairs[1:], pairs[0])],
        "rating_hard": [grader.lexical_negative(pair) for pair in pairs],
    }
    for name, instructions in requests.items():
        rated = [
            Pair(asked, pair.response) for asked, pair in zip(instructions, pairs, strict=True)
        ]
        found[name] = expected_ratings(model, prompter, [maker.rating(pair, 5) for pair in rated])
    answered = split.answered[: settings.measured_unlabelled]
    unlabelled = [Pair(truth, segment.text) for segment, truth in answered]
    note("ranking instructions")
    found["first"] = ranked_first(release, pairs, settings.choices)
    found["first_unlabelled"] = ranked_first(release, unlabelled, settings.choices)
    held_out_segments, true = as_segments(pairs), [pair.instruction for pair in pairs]
    found["rouge"] = rouge_of_written(release, held_out_segments, true, settings, note)
    segments, truths = [segment for segment, _ in answered], [truth for _, truth in answered]
    found["rouge_unlabelled"] = rouge_of_written(release, segments, truths, settings, note)
    return found


def ranked_first(release: Path, pairs: Sequence[Pair], choices: int) -> list[float]:
    """Return 1 for each pair whose instruction ranks first by gain from its response, else 0.

    It is ranked among the instructions of its block of ``choices`` pairs. An incomplete last block
    is filled with the pairs before it.
    """
    reader, prompter = GraphScorer(release, chosen_precision(release)), Prompter.load(release)
    first: list[float] = []
    for start in range(0, len(pairs), choices):
        block = pairs[start : start + choices]
        missing = choices - len(block)
        filled = [*block, *pairs[start - missing : start]] if missing else block
        first += (
            InstructionRanking.measure(reader, prompter, filled)
            .first_of(choices)[: len(block)]
            .tolist()
        )
    return first


def rouge_of_written(
    release: Path,
    segments: Sequence[Segment],
    truths: Sequence[str],
    settings: LoopSettings,
    note: Note,
) -> list[float]:
    """Return ROUGE-L of the written and the human instruction for each segment.

    It is 0 if the backward agent refuses what the model writes.
    """
    written, _ = asyncio.run(write(release, segments, settings.sampling(), note))
    by_segment = {candidate.provenance.segment_id: candidate.instruction for candidate in written}
    pairs = zip(segments, truths, strict=True)
    return [
        rouge_l(words(by_segment.get(segment.id, "")), words(truth)) for segment, truth in pairs
    ]
