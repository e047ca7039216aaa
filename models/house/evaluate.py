"""Held-out figures of the house model, with 95% intervals; writes them into its card.

``python -m models.house.evaluate --data dolly.jsonl --documentation passages.jsonl``

The rows are the last of the data and the passages are chosen by hash: no phase of the recipe trains
on either.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.engine import Precision, Sampling
from models.evaluation.bootstrap import Estimate, bootstrap_interval
from models.evaluation.metrics import auc
from models.export.likelihood import GraphScorer
from models.house.card import render
from models.house.data import Passages, read_pairs
from models.house.recovery import Recovery
from models.house.settings import Recipe
from models.house.writing import Written, write
from models.prompts.layout import Prompter
from models.prompts.templates import SEED_TAG
from models.releases.catalogue import default_cache, prepare
from models.releases.checkpoints import HOUSE, HOUSE_CHECKPOINT
from models.seeds.grades import Grader
from models.seeds.pairs import Pair


def mean(values: np.ndarray) -> Estimate:
    """The mean with its interval."""
    return bootstrap_interval(lambda rows: float(values[rows].mean()), len(values))


def recovery_figures(
    model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
) -> dict[str, Estimate]:
    """Instruction NLL with, without and with another response; how often the true instruction is
    first.
    """
    found = Recovery.measure(model, prompter, pairs)

    def per_token(nats: np.ndarray) -> Estimate:
        return bootstrap_interval(
            lambda rows: nats[rows].sum() / found.tokens[rows].sum(), len(pairs)
        )

    figures = {
        "instruction_nll": per_token(found.own),
        "instruction_nll_without_response": per_token(found.alone),
        "instruction_nll_other_response": per_token(found.other),
    }
    for count in (10, 100):
        figures[f"first_of_{count}"] = mean(found.first_of(count))
    return figures


def response_figures(
    model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
) -> dict[str, Estimate]:
    """Response NLL given the instruction."""
    targets = [prompter.target(pair.response) for pair in pairs]
    prompts = [prompter.forward(pair.instruction, pair.context, SEED_TAG) for pair in pairs]
    nats = np.array(
        [model.nats(prompt, [target])[0] for prompt, target in zip(prompts, targets, strict=True)]
    )
    tokens = np.array([len(target) for target in targets])
    return {
        "response_nll": bootstrap_interval(
            lambda rows: nats[rows].sum() / tokens[rows].sum(), len(pairs)
        )
    }


def rating_figures(
    model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
) -> dict[str, Estimate]:
    """Rating AUC against random, hard and borrowing mismatches, and the mean rating of each
    grade.
    """
    grader = Grader(pairs, random.Random(0))

    def rate(some: Sequence[Pair]) -> np.ndarray:
        prompts = [prompter.rating(pair.instruction, pair.response, pair.context) for pair in some]
        return np.array([model.rating(prompt, prompter.digit_ids) for prompt in prompts])

    true = rate(pairs)
    strangers = [*pairs[1:], pairs[0]]
    random_ones = rate(
        [
            Pair(other.instruction, pair.response)
            for pair, other in zip(pairs, strangers, strict=True)
        ]
    )
    hard, borrowed = (
        rate([Pair(make(pair), pair.response) for pair in pairs])
        for make in (grader.lexical_negative, grader.borrowed_words_negative)
    )
    figures = {
        "auc_random": bootstrap_interval(
            lambda rows: auc(true[rows], random_ones[rows]), len(pairs)
        ),
        "auc_hard": bootstrap_interval(lambda rows: auc(true[rows], hard[rows]), len(pairs)),
        "auc_borrowed": bootstrap_interval(
            lambda rows: auc(true[rows], borrowed[rows]), len(pairs)
        ),
    }
    for grade in (5, 4, 3, 2, 1):
        figures[f"mean_rating_of_grade_{grade}"] = mean(
            rate([grader.draw(pair, grade).pair for pair in pairs])
        )
    return figures


def writing_figures(written: Sequence[Written]) -> dict[str, Estimate]:
    """Shares of instructions for passages of documentation that are distinct, well-formed and
    without repetition.
    """
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
    parser.add_argument(
        "--documentation", type=Path, required=True, help="what `backstream segment` wrote"
    )
    parser.add_argument("--checkpoint", type=Path, default=HOUSE_CHECKPOINT)
    parser.add_argument("--rows", type=int, default=200, help="held-out pairs; 100 at the least")
    parser.add_argument(
        "--passages", type=int, default=500, help="held-out passages of documentation"
    )
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--repetition-penalty", type=float, default=1.3)
    parser.add_argument("--card", type=Path, help="write figures and samples into this card")
    arguments = parser.parse_args()
    recipe = Recipe()
    name = HOUSE if arguments.checkpoint == HOUSE_CHECKPOINT else str(arguments.checkpoint)
    release = prepare(name, default_cache(), progress=print)
    held_out = read_pairs(arguments.data)[-recipe.held_out :]
    pairs = [pair for pair in held_out if 80 <= len(pair.response) <= 2500 and not pair.context][
        : arguments.rows
    ]
    chosen = Passages.read(arguments.documentation, recipe.held_out_passages).held_out[
        : arguments.passages
    ]
    sampling = Sampling(
        arguments.temperature,
        arguments.top_p,
        repetition_penalty=arguments.repetition_penalty,
        max_tokens=64,
    )
    figures: dict[str, dict[str, Estimate]] = {}
    samples: tuple[list[Written], list[Written]] = ([], [])
    for precision in (Precision.INT8, Precision.FP32):
        model, prompter = GraphScorer(release, precision), Prompter.load(release)
        of_documentation = asyncio.run(write(release, chosen, sampling, precision))
        figures[precision] = {
            **recovery_figures(model, prompter, pairs),
            **response_figures(model, prompter, pairs),
            **rating_figures(model, prompter, pairs),
            **writing_figures(of_documentation),
        }
        samples = (
            of_documentation[:20],
            asyncio.run(write(release, pairs[:20], sampling, precision)),
        )
    rounded = {
        precision: {name: [round(v, 4) for v in figure] for name, figure in all_.items()}
        for precision, all_ in figures.items()
    }
    print(json.dumps(rounded, indent=2))
    if arguments.card:
        render(arguments.card, figures, *samples)


if __name__ == "__main__":
    main()
