"""Compares decoding settings of the house model.

``python -m models.house.decoding --data ... --documentation ...`` prints a table, best first. The
rows are held out, and other ones than those of the card's metrics.
"""

import argparse
import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.evaluation.rouge import rouge_l
from models.evaluation.words import words
from models.house.data import Passages, read_pairs
from models.house.settings import Recipe
from models.house.writing import RatedInstruction, write_and_rate
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.releases.checkpoints import HOUSE
from models.sampling import Sampling

_GREEDY = [
    Sampling(repetition_penalty=penalty, max_tokens=64) for penalty in (1.0, 1.1, 1.2, 1.3, 1.4)
]
_SAMPLED = [
    Sampling(temperature, top_p, repetition_penalty=penalty, max_tokens=64)
    for temperature, top_p, penalty in itertools.product((0.3, 0.5), (0.8, 0.9), (1.0, 1.2, 1.3))
]


@dataclass(frozen=True, slots=True)
class DecodingMetrics:
    """Metrics of one decoding setting. Shares are of all instructions, 0 to 1."""

    rouge: float
    """Mean ROUGE-L F1 with the true instruction, on the instruction data."""
    usable: float
    """Share that ends as a sentence and repeats no phrase, on documentation."""
    distinct: float
    """Share of distinct instructions, on documentation."""
    rating: float
    """Mean rating by the model itself, on documentation."""

    @property
    def score(self) -> float:
        """The value by which settings are sorted."""
        return self.rouge * self.usable * self.distinct


def decoding_metrics(
    of_pairs: Sequence[RatedInstruction], of_documentation: Sequence[RatedInstruction]
) -> DecodingMetrics:
    """Return the metrics of one decoding setting."""
    texts = [each.instruction.casefold() for each in of_documentation]
    return DecodingMetrics(
        rouge=sum(
            rouge_l(words(each.instruction), words(each.pair.instruction)) for each in of_pairs
        )
        / len(of_pairs),
        usable=sum(each.well_formed and not each.repeats for each in of_documentation) / len(texts),
        distinct=len(set(texts)) / len(texts),
        rating=sum(each.rating for each in of_documentation) / len(texts),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument(
        "--documentation", type=Path, required=True, help="what `backstream segment` wrote"
    )
    parser.add_argument("--model", default=HOUSE)
    parser.add_argument("--rows", type=int, default=100, help="pairs, and as many passages")
    arguments = parser.parse_args()
    recipe = Recipe()
    release = prepare(arguments.model, default_cache())
    held_out = read_pairs(arguments.data)[-recipe.held_out :]
    pairs = [pair for pair in held_out if 80 <= len(pair.response) <= 2500 and not pair.context][
        -arguments.rows :
    ]
    chosen = Passages.read(arguments.documentation, recipe.held_out_passages).held_out[
        -arguments.rows :
    ]
    found = []
    for sampling in (*_GREEDY, *_SAMPLED):
        of_pairs = asyncio.run(write_and_rate(release, pairs, sampling))
        of_documentation = asyncio.run(write_and_rate(release, chosen, sampling))
        found.append((decoding_metrics(of_pairs, of_documentation), sampling))
    print(
        "| temperature | top-p | repetition penalty | ROUGE-L | usable | distinct | rating | "
        "product |\n|" + "---|" * 8
    )
    for each, sampling in sorted(found, key=lambda pair: pair[0].score, reverse=True):
        print(
            f"| {sampling.temperature} | {sampling.top_p} | {sampling.repetition_penalty} | "
            f"{each.rouge:.3f} | {each.usable:.2f} "
            f"| {each.distinct:.2f} | {each.rating:.2f} | {each.score:.3f} |"
        )


if __name__ == "__main__":
    main()
