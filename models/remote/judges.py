"""Fits the judges of remote models, on request."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from models.atomic_file import write_atomically
from models.judging.fitting import fit_to
from models.judging.gathering import gather_with
from models.judging.judge import Judges
from models.progress import Report
from models.remote.kept_judges import judges_file
from models.remote.model import RemoteModel
from models.sampling import Sampling
from models.seeds.pairs import Pair
from schemas.errors import ModelError, PromptTooLong

_PAIRS = 32
"""Human pairs that a judge is fitted from: half of those for a local model, because each costs some
forty requests.
"""
_TOKENS = 48


async def fit_judges(
    model: RemoteModel, pairs: Sequence[Pair], cache: Path, report: Report = lambda line: None
) -> Judges:
    """Fit the judges of a model that gives likelihoods, and keep them.

    ``pairs`` are human pairs to train on. ``report`` gets a line every few seconds. Raises
    ModelError where the server gives no likelihoods or too few pairs fit its context window,
    RemoteUnavailable and RemoteError where it fails.
    """
    if not await model.examiner.likelihoods.are_given():
        raise ModelError(
            f"{model.placement} gives no likelihoods of a prompt (completions with echo and "
            "logprobs): it rates by digits, which needs no judge"
        )
    chosen = pairs[:_PAIRS]
    report(f"{model.placement} writes {len(chosen)} instructions")
    written = await asyncio.gather(*(_write(model, pair) for pair in chosen))
    judges = fit_to(await gather_with(model.examiner, chosen, written, report))
    if judges is None:
        raise ModelError(
            f"too few pairs fit the context window of {model.placement} to fit a judge"
        )
    file = judges_file(cache, model.release)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, judges.model_dump_json() + "\n")
    return judges


async def _write(model: RemoteModel, pair: Pair) -> str:
    """The instruction that the model writes for a response; empty where it does not fit."""
    try:
        written = await model.write_instruction(
            "judge", pair.response, pair.context, Sampling(max_tokens=_TOKENS)
        )
    except PromptTooLong:
        return ""
    return written.instruction
