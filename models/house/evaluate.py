"""Held-out figures of the house model: ``python -m models.house.evaluate --data dolly.jsonl``. Prints JSON.

The rows are the last of the file, which the recipe never trains on.
"""

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # see models/house/train.py

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from models.checkpoints import HOUSE_CHECKPOINT
from models.evaluation import evaluate
from models.grades import Grader, Pair
from models.house.data import read_pairs
from models.house.settings import Recipe
from models.prompts import Prompter

_RIVALS = 9


def instruction_nll(model: PreTrainedModel, prompter: Prompter, response: str, instruction: str) -> float:
    """Mean nats a token of ``instruction`` after the backward prompt of ``response``; after no prompt where it is empty."""
    prompt = prompter.backward(response) if response else prompter.backward("")
    target = prompter.target(instruction)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *target]])).logits[0, len(prompt) - 1 : -1]
    return -float(logits.log_softmax(-1).gather(1, torch.tensor(target)[:, None]).mean())


def first_of_ten(model: PreTrainedModel, prompter: Prompter, pairs: Sequence[Pair], generator: random.Random) -> float:
    """Share of pairs whose own instruction gains most from the response, of ten: NLL without it less NLL with it."""
    first = 0
    alone = [instruction_nll(model, prompter, "", pair.instruction) for pair in pairs]
    for index, pair in enumerate(pairs):
        others = generator.sample([i for i in range(len(pairs)) if i != index], _RIVALS)
        gains = [alone[i] - instruction_nll(model, prompter, pair.response, pairs[i].instruction) for i in (index, *others)]
        first += gains[0] == max(gains)
    return first / len(pairs)


def rating(model: PreTrainedModel, prompter: Prompter, pair: Pair) -> float:
    """The expected rating of a pair."""
    prompt = prompter.rating(pair.instruction, pair.response, pair.context)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1]
    return float((logits[list(prompter.digit_ids)].softmax(-1) * torch.arange(1, 6)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument("--checkpoint", type=Path, default=HOUSE_CHECKPOINT)
    parser.add_argument("--rows", type=int, default=200)
    arguments = parser.parse_args()
    prompter = Prompter.load(arguments.checkpoint)
    model = AutoModelForCausalLM.from_pretrained(arguments.checkpoint, dtype=torch.float32).eval()
    held_out = read_pairs(arguments.data)[-Recipe().held_out :]
    pairs = [pair for pair in held_out if 80 <= len(pair.response) <= 2500 and not pair.context][: arguments.rows]
    generator = random.Random(0)
    grader = Grader(pairs, generator)
    print(
        json.dumps(
            {
                **evaluate(model, prompter, pairs),
                "instruction_first_of_10": first_of_ten(model, prompter, pairs, generator),
                **{
                    f"mean_rating_of_grade_{grade}": sum(rating(model, prompter, grader.draw(pair, grade).pair) for pair in pairs)
                    / len(pairs)
                    for grade in (5, 4, 3, 2, 1)
                },
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
