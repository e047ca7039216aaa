"""Held-out figures of the house model, with 95% intervals; writes them into its card.

``python -m models.house.evaluate --data dolly.jsonl --documentation passages.jsonl``

The rows are the last of the data and the passages are chosen by hash: no phase of the recipe trains on either.
"""

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # see models/house/train.py

import argparse
import asyncio
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from models.catalogue import default_cache, prepare
from models.checkpoints import HOUSE, HOUSE_CHECKPOINT
from models.engine import Sampling
from models.evaluation import auc, expected_ratings, losses
from models.grades import Grader, Pair
from models.house.card import render
from models.house.data import Passages, read_pairs
from models.house.recovery import Recovery
from models.house.settings import Recipe
from models.house.writing import Written, write
from models.prompts import Prompter
from models.sequences import SequenceMaker

Figure = tuple[float, float, float]
"""A value and the ends of its 95% interval."""

_RESAMPLES = 2000


def interval(statistic: Callable[[np.ndarray], float], rows: int) -> Figure:
    """A statistic of row numbers, with its 95% percentile bootstrap interval over the rows."""
    generator = np.random.default_rng(0)
    values = [statistic(generator.integers(0, rows, rows)) for _ in range(_RESAMPLES)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(statistic(np.arange(rows))), float(low), float(high)


def mean(values: np.ndarray) -> Figure:
    """The mean with its interval."""
    return interval(lambda rows: float(values[rows].mean()), len(values))


def recovery_figures(model: PreTrainedModel, prompter: Prompter, pairs: Sequence[Pair]) -> dict[str, Figure]:
    """Instruction NLL with, without and with another response; how often the true instruction is first."""
    found = Recovery.measure(model, prompter, pairs)

    def per_token(nats: np.ndarray) -> Figure:
        return interval(lambda rows: nats[rows].sum() / found.tokens[rows].sum(), len(pairs))

    figures = {
        "instruction_nll": per_token(found.own),
        "instruction_nll_without_response": per_token(found.alone),
        "instruction_nll_other_response": per_token(found.other),
    }
    for count in (10, 100):
        figures[f"first_of_{count}"] = mean(found.first_of(count))
    return figures


def response_figures(model: PreTrainedModel, prompter: Prompter, pairs: Sequence[Pair]) -> dict[str, Figure]:
    """Response NLL given the instruction."""
    maker = SequenceMaker(prompter)
    nats, tokens = (np.array(column) for column in zip(*losses(model, [maker.forward(pair) for pair in pairs]), strict=True))
    return {"response_nll": interval(lambda rows: nats[rows].sum() / tokens[rows].sum(), len(pairs))}


def rating_figures(model: PreTrainedModel, prompter: Prompter, pairs: Sequence[Pair]) -> dict[str, Figure]:
    """Rating AUC against random and hard mismatches, and the mean rating of each grade."""
    grader = Grader(pairs, random.Random(0))
    maker = SequenceMaker(prompter)

    def rate(some: Sequence[Pair]) -> np.ndarray:
        return np.array(expected_ratings(model, prompter, [maker.rating(pair, 5) for pair in some]))

    true = rate(pairs)
    strangers = [*pairs[1:], pairs[0]]
    random_ones = rate([Pair(other.instruction, pair.response) for pair, other in zip(pairs, strangers, strict=True)])
    hard = rate([Pair(grader.neighbour(pair), pair.response) for pair in pairs])
    figures = {
        "auc_random": interval(lambda rows: auc(true[rows], random_ones[rows]), len(pairs)),
        "auc_hard": interval(lambda rows: auc(true[rows], hard[rows]), len(pairs)),
    }
    for grade in (5, 4, 3, 2, 1):
        figures[f"mean_rating_of_grade_{grade}"] = mean(rate([grader.draw(pair, grade).pair for pair in pairs]))
    return figures


def writing_figures(written: Sequence[Written]) -> dict[str, Figure]:
    """Shares of instructions for passages of documentation that are distinct, well-formed and without repetition."""
    texts = [each.instruction.casefold() for each in written]
    shares = {
        "well_formed": np.array([each.well_formed for each in written]),
        "without_repetition": np.array([not each.repeats for each in written]),
        "rated_4_or_better": np.array([each.rating >= 4 for each in written]),
    }
    figures = {name: mean(share) for name, share in shares.items()}
    distinct = len(set(texts)) / len(texts)
    return {"distinct": (distinct, distinct, distinct), **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument("--documentation", type=Path, required=True, help="what `backstream segment` wrote")
    parser.add_argument("--checkpoint", type=Path, default=HOUSE_CHECKPOINT)
    parser.add_argument("--rows", type=int, default=200, help="held-out pairs; 100 at the least")
    parser.add_argument("--passages", type=int, default=500, help="held-out passages of documentation")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--repetition-penalty", type=float, default=1.1)
    parser.add_argument("--card", type=Path, help="write figures and samples into this card")
    arguments = parser.parse_args()
    recipe = Recipe()
    prompter = Prompter.load(arguments.checkpoint)
    model = AutoModelForCausalLM.from_pretrained(arguments.checkpoint, dtype=torch.float32).eval()
    held_out = read_pairs(arguments.data)[-recipe.held_out :]
    pairs = [pair for pair in held_out if 80 <= len(pair.response) <= 2500 and not pair.context][: arguments.rows]
    figures = {
        **recovery_figures(model, prompter, pairs),
        **response_figures(model, prompter, pairs),
        **rating_figures(model, prompter, pairs),
    }
    passages = Passages.read(arguments.documentation, recipe.held_out_passages).held_out
    chosen = random.Random(0).sample(passages, min(arguments.passages, len(passages)))
    sampling = Sampling(arguments.temperature, arguments.top_p, repetition_penalty=arguments.repetition_penalty, max_tokens=64)
    name = HOUSE if arguments.checkpoint == HOUSE_CHECKPOINT else str(arguments.checkpoint)
    release = prepare(name, default_cache())
    of_documentation = asyncio.run(write(release, chosen, sampling))
    of_pairs = asyncio.run(write(release, pairs[:20], sampling))
    figures |= writing_figures(of_documentation)
    print(json.dumps({name: [round(value, 4) for value in figure] for name, figure in figures.items()}, indent=2))
    if arguments.card:
        render(arguments.card, figures, of_documentation[:20], of_pairs)


if __name__ == "__main__":
    main()
