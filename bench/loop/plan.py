"""The steps of the experiment, their expected time, and which of them were run."""

from collections.abc import Collection, Iterator, Mapping

from bench.loop.arms import CURATED, JUDGES, TRAINED, Arm
from bench.loop.settings import LoopSettings

_TRAINED_A_SECOND = 220
"""Tokens a second of a training with adapters, in fp32 on 2 idle cores (SmolLM2-135M)."""
_SCORED_A_SECOND = 600
"""Tokens a second that the engine reads."""
_WRITTEN_A_SECOND = 3
_BUILD_SECONDS = 30
"""To build a model's graph and to load it. Once a model, if nothing is interrupted."""
_SEQUENCE = 145
"""Tokens of a training sequence."""
_BACKWARD, _FORWARD, _INSTRUCTION = 135, 105, 20
"""Tokens of a backward prompt, of a forward prompt with its response, of an instruction."""
_EXAMINED = 480
"""Tokens that are read for the evidence about a pair."""
_OTHER_REQUESTS = 450
"""Tokens more for two other requests for the same response."""
_OF_A_JUDGE = 2600
"""Tokens that are read for the pairs that are made from one seed."""

KINDS = {
    "train": "train a model",
    "measure": "measure it on held-out pairs",
    "judge": "fit its judges",
    "judged": "rate held-out pairs",
    "candidates": "write candidates",
    "ratings": "rate all candidates",
}
"""Kinds of steps that take time, with what they do. The others take seconds."""


def steps_of(arm: Arm) -> Iterator[str]:
    """Yield the kinds of steps of a model, but for the curation, in their order."""
    if arm is not Arm.BASE:
        yield "train"
    yield "measure"
    if arm in JUDGES:
        yield from ("judge", "judged")
    if arm is Arm.M0:
        yield "candidates"
    if arm in JUDGES:
        yield "ratings"


def names(settings: LoopSettings) -> dict[str, list[str]]:
    """Return the names of all steps that take time, by kind."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    found["measure"].append(f"{Arm.BASE}.measure")
    for seed in settings.training_seeds:
        for arm in TRAINED:
            for kind in steps_of(arm):
                found[kind].append(f"{arm}-{seed}.{kind}")
    return found


def expected(settings: LoopSettings) -> dict[str, float]:
    """Return the seconds of one step of each kind, on 2 idle cores."""
    read = {
        "measure": settings.held_out
        * (_BACKWARD + (settings.choices + 1) * _INSTRUCTION + _FORWARD),
        "judge": settings.judge_pairs * _OF_A_JUDGE,
        "judged": settings.judged * (_EXAMINED + _OTHER_REQUESTS),
        "ratings": (settings.unlabelled + settings.passages) * _EXAMINED,
    }
    trained = settings.steps * settings.batch * _SEQUENCE
    seconds = {kind: tokens / _SCORED_A_SECOND for kind, tokens in read.items()}
    seconds["measure"] += _BUILD_SECONDS
    seconds["train"] = trained / _TRAINED_A_SECOND
    seconds["candidates"] = (settings.unlabelled + settings.passages) / _WRITTEN_A_SECOND
    return {kind: seconds[kind] for kind in KINDS}


def table(settings: LoopSettings, used: Mapping[str, float]) -> list[str]:
    """Return minutes expected and used, as lines of Markdown. ``used`` has seconds by step."""
    lines = [
        "| step | times | minutes each | minutes in all | done | minutes used |",
        "|---|---|---|---|---|---|",
    ]
    planned, every = expected(settings), names(settings)
    total = spent = 0.0
    for kind, what in KINDS.items():
        each, done = planned[kind] / 60, [used[name] / 60 for name in every[kind] if name in used]
        count = len(every[kind])
        lines.append(
            f"| {what} | {count} | {each:.1f} | {count * each:.0f} | {len(done)} | "
            f"{sum(done):.1f} |"
        )
        total, spent = total + count * each, spent + sum(done)
    return [*lines, f"| all | | | {total:.0f} | | {spent:.1f} |"]


def state(settings: LoopSettings, done: Collection[str]) -> list[str]:
    """Return which models were trained and measured, as lines of Markdown."""
    seeds = settings.training_seeds
    head = " | ".join(f"training seed {seed}" for seed in seeds)
    lines = [f"| model | {head} |", f"|---{'|---' * len(seeds)}|"]
    for arm in TRAINED:
        cells = []
        for seed in seeds:
            kinds = [*steps_of(arm), *(["set"] if arm in CURATED else [])]
            missing = [kind for kind in kinds if f"{arm}-{seed}.{kind}" not in done]
            if not missing:
                cells.append("done")
            else:
                cells.append("not run" if len(missing) == len(kinds) else "begun")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


def is_complete(settings: LoopSettings, done: Collection[str]) -> bool:
    """Return whether every step was run."""
    return all(name in done for some in names(settings).values() for name in some)
