"""Compares a release's int8 graph with its fp32 graph, on human pairs, and chooses which one is
served on a CPU.

The pairs are the shipped seeds (``models/seeds``). Int8 is chosen where, beside fp32, the negative
log-likelihood of the instructions rises little, the ratings stay where they were, and so do the
tokens that greedy decoding takes. There are two ways to int8: the one that computes faster is tried
first, the one that stays closer where the first does not hold.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.engine.precision import PRECISION_FILE, Precision
from models.export.likelihood import GraphScorer
from models.prompts.layout import Prompter
from models.seeds import read_seeds
from schemas.records import Example

_PAIRS = 40
_GREEDY_TOKENS = 24
_NLL_RISE = 0.02
_RATING_SHIFT = 0.1
_SAME_TOKENS = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """Int8 beside fp32."""

    pairs: int
    nll_fp32: float
    """Nats a token of the pairs' instructions, given the responses."""
    nll_int8: float
    rating_shift: float
    """Mean distance of the two ratings of a pair, in points of the scale of 1 to 5."""
    rating_agreement: float
    """Share of pairs whose two ratings round to the same point."""
    same_tokens: float
    """Share of the tokens that fp32 decodes greedily which int8 takes too, after the same tokens
    before.
    """
    chosen: Precision

    @staticmethod
    def choice(
        nll_fp32: float, nll_int8: float, rating_shift: float, same_tokens: float
    ) -> Precision:
        """Int8 where quality holds."""
        holds = (
            nll_int8 - nll_fp32 <= _NLL_RISE
            and rating_shift <= _RATING_SHIFT
            and same_tokens >= _SAME_TOKENS
        )
        return Precision.INT8 if holds else Precision.FP32


def compare(directory: Path, prompter: Prompter, threads: int | None = None) -> Comparison:
    """Measure both graphs of a directory. Raises ModelError where one cannot be opened, EngineError
    where one fails.
    """
    fp32, int8 = both = tuple(
        GraphScorer(directory, precision, threads) for precision in (Precision.FP32, Precision.INT8)
    )
    room = fp32.context_window - _GREEDY_TOKENS
    pairs = [pair for pair in read_seeds() if len(_rating_prompt(prompter, pair)) <= room][:_PAIRS]
    backward = [prompter.backward(pair.response, pair.context) for pair in pairs]
    targets = [prompter.target(pair.instruction) for pair in pairs]
    nats = [
        sum(
            each.nats(prompt, [target])[0] for prompt, target in zip(backward, targets, strict=True)
        )
        for each in both
    ]
    nll_fp32, nll_int8 = (float(total / sum(map(len, targets))) for total in nats)
    ratings = np.array(
        [
            [each.rating(_rating_prompt(prompter, pair), prompter.digit_ids) for pair in pairs]
            for each in both
        ]
    )
    taken = [(prompt, fp32.greedy(prompt, _GREEDY_TOKENS)) for prompt in backward]
    same = float(np.mean([np.equal(int8.best(prompt, tokens), tokens) for prompt, tokens in taken]))
    shift = float(np.abs(ratings[0] - ratings[1]).mean())
    return Comparison(
        pairs=len(pairs),
        nll_fp32=nll_fp32,
        nll_int8=nll_int8,
        rating_shift=shift,
        rating_agreement=float((ratings[0].round() == ratings[1].round()).mean()),
        same_tokens=same,
        chosen=Comparison.choice(nll_fp32, nll_int8, shift, same),
    )


def calibration_prompts(prompter: Prompter, context: int) -> list[list[int]]:
    """What the model is shown where its int8 graph is fitted to what it computes; other pairs than
    those that judge it.
    """
    prompts = (_rating_prompt(prompter, pair) for pair in read_seeds()[_PAIRS : 2 * _PAIRS])
    return [prompt for prompt in prompts if len(prompt) <= context]


def choose_int8(directory: Path, candidates: Iterable[Path], prompter: Prompter) -> Comparison:
    """Move the first int8 graph whose quality holds into a release, and keep the comparison with
    it.

    ``candidates`` are directories with an int8 graph each; there is at least one. Raises as
    ``compare`` does.
    """
    for candidate in candidates:
        for file in sorted(candidate.iterdir()):
            file.replace(directory / file.name)
        found = compare(directory, prompter)
        if found.chosen is Precision.INT8:
            break
        for file in directory.glob(f"{Precision.INT8.file}*"):
            file.unlink()
    (directory / PRECISION_FILE).write_text(
        json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8"
    )
    return found


def _rating_prompt(prompter: Prompter, pair: Example) -> list[int]:
    return prompter.rating(pair.instruction, pair.response, pair.context)
