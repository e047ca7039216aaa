"""The comparisons of the report and their metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.loop.bootstrap import Auc, Ratio, Resamples, SeedEstimate, Statistic
from bench.loop.experiment import Arm

ArmResult = Mapping[str, Any]
"""The result of ``measure`` for one model."""

NAMES = {
    Arm.M0: "M0: seeds, short",
    Arm.SEED_ONLY: "seeds alone, as long as M1",
    Arm.M1: "M1: seeds and curated",
    Arm.UNCURATED: "seeds and uncurated",
    Arm.CURATED_ONLY: "curated alone",
    Arm.M2: "M2: seeds and curated by M1",
}

COMPARISONS = (
    (Arm.M1, Arm.M0),
    (Arm.M1, Arm.SEED_ONLY),
    (Arm.M1, Arm.CURATED_ONLY),
    (Arm.M1, Arm.UNCURATED),
    (Arm.M2, Arm.M1),
    (Arm.M2, Arm.SEED_ONLY),
)
"""Pairs of arms; the difference is the first less the second."""


def _nats(name: str) -> Callable[[ArmResult], Statistic]:
    return lambda found: Ratio(np.array(found[name]["nats"]), np.array(found[name]["tokens"]))


def _mean(name: str) -> Callable[[ArmResult], Statistic]:
    return lambda found: Ratio.mean(found[name])


def _auc(name: str) -> Callable[[ArmResult], Statistic]:
    return lambda found: Auc(np.array(found["rating_true"]), np.array(found[name]))


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a model."""

    label: str
    statistic: Callable[[ArmResult], Statistic]
    lower_is_better: bool = False
    rates: bool = False
    """Whether it measures ratings, on which a model without seeds is not trained."""
    unlabelled: bool = False
    """Whether it is measured on responses on which the loop's models were trained."""


METRICS = (
    Metric("NLL of the instruction", _nats("instruction"), lower_is_better=True),
    Metric("NLL of the response (human tag)", _nats("response"), lower_is_better=True),
    Metric("NLL of the response (both tags)", _nats("response_both_tags"), lower_is_better=True),
    Metric("rating AUC (random mismatches)", _auc("rating_random"), rates=True),
    Metric("rating AUC (hard mismatches)", _auc("rating_hard"), rates=True),
    Metric("ROUGE-L of the written instruction", _mean("rouge")),
    Metric("true instruction first of 10", _mean("first")),
    Metric("ROUGE-L on the unlabelled", _mean("rouge_unlabelled"), unlabelled=True),
    Metric("first of 10 on the unlabelled", _mean("first_unlabelled"), unlabelled=True),
)


def applies(metric: Metric, *arms: Arm) -> bool:
    """Return whether a metric is defined for all of these arms."""
    return not (metric.rates and Arm.CURATED_ONLY in arms)


def estimate(metric: Metric, found: Sequence[ArmResult], resamples: int) -> SeedEstimate:
    """Return the estimate of a metric of one arm, measured with each training seed."""
    statistics = [metric.statistic(each) for each in found]
    return _resamples(metric, found, resamples).estimate(statistics)


def difference(
    metric: Metric, ours: Sequence[ArmResult], theirs: Sequence[ArmResult], resamples: int
) -> SeedEstimate:
    """Return ours less theirs, with the same training seeds, on the same pairs."""
    both = ([metric.statistic(each) for each in found] for found in (ours, theirs))
    return _resamples(metric, ours, resamples).difference(*both)


def _resamples(metric: Metric, found: Sequence[ArmResult], resamples: int) -> Resamples:
    pairs = len(found[0]["rouge_unlabelled" if metric.unlabelled else "rouge"])
    return Resamples.make(pairs, len(found), resamples)
