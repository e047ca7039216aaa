"""A small search for the house model's decoding: ``python -m models.house.decoding --data ...
--documentation ...``.

Prints a table, best first. The rows are held out, and others than those of the card's figures.
"""

import argparse
import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.engine import Sampling
from models.evaluation.rouge import rouge_l, words
from models.house.data import Passages, read_pairs
from models.house.settings import Recipe
from models.house.writing import Written, write
from models.releases.catalogue import default_cache, prepare
from models.releases.checkpoints import HOUSE

_GREEDY = [
    Sampling(repetition_penalty=penalty, max_tokens=64) for penalty in (1.0, 1.1, 1.2, 1.3, 1.4)
]
_SAMPLED = [
    Sampling(temperature, top_p, repetition_penalty=penalty, max_tokens=64)
    for temperature, top_p, penalty in itertools.product((0.3, 0.5), (0.8, 0.9), (1.0, 1.2, 1.3))
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way of decoding gives. Shares are of all instructions, 0 to 1."""

    rouge: float
    """Mean ROUGE-L F1 with the true instruction, on the instruction data."""
    fit: float
    """Share that ends as a sentence and repeats no phrase, on the documentation."""
    distinct: float
    """Share of different instructions, on the documentation."""
    rating: float
    """Mean rating by the model itself, on the documentation."""

    @property
    def merit(self) -> float:
        """What the search maximises."""
        return self.rouge * self.fit * self.distinct


def outcome(of_pairs: Sequence[Written], of_documentation: Sequence[Written]) -> Outcome:
    """The figures of one way of decoding."""
    texts = [each.instruction.casefold() for each in of_documentation]
    return Outcome(
        rouge=sum(
            rouge_l(words(each.instruction), words(each.pair.instruction)) for each in of_pairs
        )
        / len(of_pairs),
        fit=sum(each.well_formed and not each.repeats for each in of_documentation) / len(texts),
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
    parser.add_argument("--rows", type=int, default=100, help="of each kind")
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
        of_pairs = asyncio.run(write(release, pairs, sampling))
        of_documentation = asyncio.run(write(release, chosen, sampling))
        found.append((outcome(of_pairs, of_documentation), sampling))
    print(
        "| temperature | top-p | repetition penalty | ROUGE-L | fit | distinct | rating | "
        "product |\n|" + "---|" * 8
    )
    for each, sampling in sorted(found, key=lambda pair: pair[0].merit, reverse=True):
        print(
            f"| {sampling.temperature} | {sampling.top_p} | {sampling.repetition_penalty} | "
            f"{each.rouge:.3f} | {each.fit:.2f} "
            f"| {each.distinct:.2f} | {each.rating:.2f} | {each.merit:.3f} |"
        )


if __name__ == "__main__":
    main()
