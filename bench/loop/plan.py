"""Expected and used time of each kind of step."""

from collections.abc import Mapping

from bench.loop.experiment import Arm
from bench.loop.settings import LoopSettings

_BASE_TOKENS_A_SECOND = 5_000
_TUNING_TOKENS_A_SECOND = 4_000
_EXPORT_SECONDS = 10
_LIKELIHOOD_SECONDS_A_PAIR = 0.1
"""For six sequences of each held-out pair, in fp32."""
_RANKING_SECONDS_A_PAIR = 0.02
_WRITTEN_A_SECOND = 45
_RATED_A_SECOND = 70


def expected(settings: LoopSettings) -> dict[str, float]:
    """Return the seconds of all steps of each kind, on 2 idle cores with AVX512-BF16."""
    seeds = len(settings.training_seeds)
    unlabelled = settings.unlabelled + settings.passages
    trainings = settings.seed_only_tokens * (
        seeds + len(settings.rates) - 1
    ) + settings.tokens * seeds * (len(Arm) - 1)
    measured = settings.held_out + settings.measured_unlabelled
    one = (
        _EXPORT_SECONDS
        + settings.held_out * _LIKELIHOOD_SECONDS_A_PAIR
        + measured * (_RANKING_SECONDS_A_PAIR + 1 / _WRITTEN_A_SECOND)
    )
    return {
        "data": 0.0,
        "base": settings.base_tokens / _BASE_TOKENS_A_SECOND,
        "rate": len(settings.rates) * settings.validation * _LIKELIHOOD_SECONDS_A_PAIR / 3,
        "train": trainings / _TUNING_TOKENS_A_SECOND,
        "measure": one * seeds * len(Arm),
        "candidates": seeds * unlabelled / _WRITTEN_A_SECOND,
        "ratings": 2 * seeds * unlabelled / _RATED_A_SECOND,
        "set": 0.0,
        "quality": seeds * settings.unlabelled * _RANKING_SECONDS_A_PAIR,
    }


def kind(step: str) -> str:
    """Return the kind of a step from its name."""
    return "quality" if step.startswith("quality") else step.rpartition(".")[2]


def used(seconds: Mapping[str, float]) -> dict[str, float]:
    """Sum the seconds of the steps of each kind."""
    totals: dict[str, float] = {}
    for step, took in seconds.items():
        totals[kind(step)] = totals.get(kind(step), 0.0) + took
    return totals


def table(settings: LoopSettings, seconds: Mapping[str, float]) -> list[str]:
    """Return minutes expected and used, as lines of Markdown."""
    planned, taken = expected(settings), used(seconds)
    lines = ["| step | minutes expected | minutes used |", "|---|---|---|"]
    for name, expected_seconds in planned.items():
        lines.append(f"| {name} | {expected_seconds / 60:.1f} | {taken.get(name, 0.0) / 60:.1f} |")
    total = sum(taken.get(name, 0.0) for name in planned)
    return [*lines, f"| all | {sum(planned.values()) / 60:.1f} | {total / 60:.1f} |"]
