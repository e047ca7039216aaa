"""The comparisons of the report and their metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.loop.arms import Arm, Signal
from bench.loop.bootstrap import Auc, Ratio, Resamples, SeedEstimate, Statistic

Result = Mapping[str, Any]
"""The value of a step for one training seed."""

COMPARISONS = (
    (Arm.M0, Arm.BASE),
    (Arm.M1, Arm.M0),
    (Arm.M1, Arm.SEED_ONLY),
    (Arm.M1, Arm.CURATED_ONLY),
    (Arm.M1, Arm.RANDOM),
    (Arm.LIKELIHOOD, Arm.RANDOM),
    (Arm.DIGITS, Arm.RANDOM),
    (Arm.M1, Arm.DIGITS),
    (Arm.M1, Arm.LIKELIHOOD),
    (Arm.M2, Arm.M1),
)
"""Pairs of models; the difference is the first less the second."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, computed from the values of a step."""

    label: str
    statistic: Callable[[Result], Statistic]
    lower_is_better: bool = False


def _nats(name: str) -> Callable[[Result], Statistic]:
    return lambda found: Ratio(np.array(found[name]), np.array(found[f"{name}_tokens"]))


METRICS = (
    Metric("NLL of the instruction", _nats("instruction"), lower_is_better=True),
    Metric("NLL of the response", _nats("response"), lower_is_better=True),
    Metric(
        "rank of the true instruction",
        lambda found: Ratio.mean(found["rank"]),
        lower_is_better=True,
    ),
    Metric(
        "true instruction first",
        lambda found: Ratio.mean([float(rank == 1) for rank in found["rank"]]),
    ),
)
"""Of a model on the held-out pairs (step ``measure``)."""


def _auc(signal: Signal, request: str) -> Callable[[Result], Statistic]:
    def statistic(found: Result) -> Statistic:
        rated = found["ratings"][signal]
        return Auc(np.array(rated["true"]), np.array(rated[request]))

    return statistic


JUDGE_METRICS = tuple(
    Metric(f"AUC of {signal}, {request} requests", _auc(signal, request))
    for signal in Signal
    for request in ("random", "hard")
)
"""Of a model that rates the held-out pairs (step ``judged``)."""


def estimate(metric: Metric, found: Sequence[Result], resamples: int) -> SeedEstimate:
    """Return the estimate of a metric of one model, measured with each training seed."""
    statistics = [metric.statistic(each) for each in found]
    return Resamples.make(statistics[0].pairs, len(found), resamples).estimate(statistics)


def difference(
    metric: Metric, ours: Sequence[Result], theirs: Sequence[Result], resamples: int
) -> SeedEstimate:
    """Return ours less theirs, with the same training seeds, on the same pairs."""
    mine, others = ([metric.statistic(each) for each in found] for found in (ours, theirs))
    return Resamples.make(mine[0].pairs, len(mine), resamples).difference(mine, others)
