"""Measures the house model on held-out data, and writes the metrics into its card.

``python -m models.house.evaluate --data dolly.jsonl --documentation passages.jsonl``

The rows are the last ones of the data, and the passages are chosen by hash. No phase of the recipe
trains on them. Every metric has a 95% bootstrap interval.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.engine import Precision
from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.estimate import Estimate
from models.evaluation.metrics import auc
from models.export.likelihood import GraphScorer
from models.house.card import render
from models.house.data import Passages, read_pairs
from models.house.ranking import InstructionRanking
from models.house.settings import Recipe
from models.house.writing import RatedInstruction, write_and_rate
from models.prompts.layout import Prompter
from models.prompts.template import SEED_TAG
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.releases.checkpoints import HOUSE, HOUSE_CHECKPOINT
from models.sampling import Sampling
from models.seeds.grades import Grader
from models.seeds.pairs import Pair


def mean(values: np.ndarray) -> Estimate:
    """Return the mean with its bootstrap interval."""
    return bootstrap_interval(lambda rows: float(values[rows].mean()), len(values))


def ranking_metrics(
    model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
) -> dict[str, Estimate]:
    """Return instruction NLLs and how often the true instruction ranks first.

    The NLLs are given the response, no response, and another response.
    """
    found = InstructionRanking.measure(model, prompter, pairs)

    def per_token(nats: np.ndarray) -> Estimate:
        return bootstrap_interval(
            lambda rows: nats[rows].sum() / found.tokens[rows].sum(), len(pairs)
        )

    metrics = {
        "instruction_nll": per_token(found.own),
        "instruction_nll_without_response": per_token(found.unconditional),
        "instruction_nll_other_response": per_token(found.other),
    }
    for count in (10, 100):
        metrics[f"first_of_{count}"] = mean(found.first_of(count))
    return metrics


def response_metrics(
    model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
) -> dict[str, Estimate]:
    """Return the response NLL given the instruction."""
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


def rating_metrics(
    model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
) -> dict[str, Estimate]:
    """Return the mean rating of each grade, and the rating AUC against three kinds of negatives.

    These are random, lexical and borrowed-words negatives.
    """
    grader = Grader(pairs, random.Random(0))

    def rate(some: Sequence[Pair]) -> np.ndarray:
        prompts = [prompter.rating(pair.instruction, pair.response, pair.context) for pair in some]
        return np.array([model.rating(prompt, prompter.digit_ids) for prompt in prompts])

    true = rate(pairs)
    shifted = [*pairs[1:], pairs[0]]
    random_negatives = rate(
        [Pair(other.instruction, pair.response) for pair, other in zip(pairs, shifted, strict=True)]
    )
    hard, borrowed = (
        rate([Pair(make(pair), pair.response) for pair in pairs])
        for make in (grader.lexical_negative, grader.borrowed_words_negative)
    )
    metrics = {
        "auc_random": bootstrap_interval(
            lambda rows: auc(true[rows], random_negatives[rows]), len(pairs)
        ),
        "auc_hard": bootstrap_interval(lambda rows: auc(true[rows], hard[rows]), len(pairs)),
        "auc_borrowed": bootstrap_interval(
            lambda rows: auc(true[rows], borrowed[rows]), len(pairs)
        ),
    }
    for grade in (5, 4, 3, 2, 1):
        metrics[f"mean_rating_of_grade_{grade}"] = mean(
            rate([grader.draw(pair, grade).pair for pair in pairs])
        )
    return metrics


def writing_metrics(written: Sequence[RatedInstruction]) -> dict[str, Estimate]:
    """Return shares of instructions that are distinct, well-formed, not repetitive, rated 4."""
    texts = [each.instruction.casefold() for each in written]
    shares = {
        "well_formed": np.array([each.well_formed for each in written]),
        "without_repetition": np.array([not each.repeats for each in written]),
        "rated_4_or_better": np.array([each.rating >= 4 for each in written]),
    }
    metrics = {name: mean(share) for name, share in shares.items()}
    distinct = len(set(texts)) / len(texts)
    return {"distinct": (distinct, distinct, distinct), **metrics}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument(
        "--documentation", type=Path, required=True, help="what `backstream segment` wrote"
    )
    parser.add_argument("--checkpoint", type=Path, default=HOUSE_CHECKPOINT)
    parser.add_argument("--rows", type=int, default=200, help="held-out pairs, at least 100")
    parser.add_argument(
        "--passages", type=int, default=500, help="held-out passages of documentation"
    )
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--repetition-penalty", type=float, default=1.3)
    parser.add_argument("--card", type=Path, help="write metrics and samples into this card")
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
    metrics: dict[str, dict[str, Estimate]] = {}
    samples: tuple[list[RatedInstruction], list[RatedInstruction]] = ([], [])
    for precision in (Precision.INT8, Precision.FP32):
        model, prompter = GraphScorer(release, precision), Prompter.load(release)
        of_documentation = asyncio.run(write_and_rate(release, chosen, sampling, precision))
        metrics[precision] = {
            **ranking_metrics(model, prompter, pairs),
            **response_metrics(model, prompter, pairs),
            **rating_metrics(model, prompter, pairs),
            **writing_metrics(of_documentation),
        }
        samples = (
            of_documentation[:20],
            asyncio.run(write_and_rate(release, pairs[:20], sampling, precision)),
        )
    rounded = {
        precision: {name: [round(v, 4) for v in estimate] for name, estimate in all_.items()}
        for precision, all_ in metrics.items()
    }
    print(json.dumps(rounded, indent=2))
    if arguments.card:
        render(arguments.card, metrics, *samples)


if __name__ == "__main__":
    main()
