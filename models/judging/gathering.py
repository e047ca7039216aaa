"""Gathers the evidence that the judges of a release are fitted to, with the release's engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from models.engine import Engine
from models.judging.evidence import EvidenceKind
from models.judging.examiner import Examiner
from models.judging.fitting import WRITTEN, WRITTEN_FOR_ANOTHER, GradedEvidence, fit_to
from models.judging.judge import Judges
from models.judging.measuring import Opened, opened
from models.judging.rated import RatedEvidence
from models.judging.rater import Examines
from models.progress import Report, at_intervals
from models.prompts.layout import Prompter
from models.sampling import Sampling
from models.seeds.labelled import MadePair, some_kinds
from models.seeds.pairs import Pair
from schemas.errors import ModelError, PromptTooLong

HUMAN_PAIRS = 64
"""Most human pairs that the judges of a release are fitted from."""
_TOKENS = 48
"""Most tokens of an instruction that the release writes."""
_AT_ONCE = 4
"""Human pairs whose evidence is gathered side by side."""


async def fit_judges(
    release: Opened,
    pairs: Sequence[Pair],
    rated: Sequence[RatedEvidence] = (),
    report: Report = lambda line: None,
) -> Judges | None:
    """Fit the judges of a release in the precision that it is served in on a CPU.

    ``pairs`` are human pairs to train on, never held-out ones; the first HUMAN_PAIRS are used.
    ``rated`` are pairs that people rated, none of them held out. ``report`` gets a line every few
    seconds. None where too few pairs fit the context window.
    Raises EngineError where the engine fails.
    """
    graded = await gather(release.engine, release.prompter, pairs[:HUMAN_PAIRS], report)
    return fit_to(graded, rated)


async def fit_judges_of(
    directory: Path,
    pairs: Sequence[Pair],
    rated: Sequence[RatedEvidence] = (),
    report: Report = lambda line: None,
) -> Judges | None:
    """``fit_judges`` for a release's directory, which needs no manifest yet.

    Raises ModelError where the engine cannot load it.
    """
    async with opened(directory) as release:
        return await fit_judges(release, pairs, rated, report)


async def gather(
    engine: Engine, prompter: Prompter, pairs: Sequence[Pair], report: Report = lambda line: None
) -> list[GradedEvidence]:
    """The evidence about graded pairs made from ``pairs``, and about what the model writes.

    A pair that does not fit the context window, or whose likelihood is not a number, is left out.
    """
    written = await _written(engine, prompter, pairs)
    return await gather_with(Examiner(engine, prompter), pairs, written, report)


async def gather_with(
    examiner: Examines,
    pairs: Sequence[Pair],
    written: Sequence[str],
    report: Report = lambda line: None,
) -> list[GradedEvidence]:
    """``gather`` for any examiner; ``written`` are the model's instructions for the responses."""
    room, done = asyncio.Semaphore(_AT_ONCE), 0
    tick = at_intervals(report)

    async def examined(made: Sequence[MadePair]) -> list[GradedEvidence]:
        nonlocal done
        async with room:
            found = [each for one in made if (each := await _examine(examiner, one))]
        done += 1
        tick(f"fitting the judge: {done} of {len(pairs)} human pairs")
        return found

    made = [*some_kinds(pairs), *_with_written(pairs, written)]
    # By response, so that pairs with the same one follow each other and share its prefix.
    made.sort(key=lambda each: (each.source, each.pair.response))
    gathered = await asyncio.gather(
        *(examined(list(group)) for _, group in groupby(made, lambda each: each.source))
    )
    return [each for found in gathered for each in found]


async def _examine(examiner: Examines, made: MadePair) -> GradedEvidence | None:
    pair = made.pair
    try:
        evidence = await examiner.examine(
            EvidenceKind.COMBINED,
            pair.instruction,
            pair.response,
            pair.context,
            turns=pair.turns,
        )
    except ModelError:  # too long, or not a number
        return None
    return GradedEvidence(made.source, made.kind, made.grade, evidence)


def _with_written(pairs: Sequence[Pair], written: Sequence[str]) -> list[MadePair]:
    """Each response with the instruction written for it, and with that of the next response."""
    made = []
    for source, (pair, own) in enumerate(zip(pairs, written, strict=True)):
        other = written[(source + 1) % len(pairs)]
        if own:
            made.append(MadePair(source, WRITTEN, None, replace(pair, instruction=own)))
        if other and other != own:
            wrong = replace(pair, instruction=other)
            made.append(MadePair(source, WRITTEN_FOR_ANOTHER, 1, wrong))
    return made


async def _written(engine: Engine, prompter: Prompter, pairs: Sequence[Pair]) -> list[str]:
    """The instruction that the model writes for each pair's response; empty where it cannot."""

    async def write(pair: Pair) -> str:
        prompt = prompter.backward(pair.response, pair.context, turns=pair.turns)
        try:
            generation = await engine.generate(
                prompt, Sampling(max_tokens=_TOKENS), prompter.instruction_stop_ids
            )
        except PromptTooLong:
            return ""
        return prompter.instruction(generation.ids, generation.stop)

    return await asyncio.gather(*map(write, pairs))
