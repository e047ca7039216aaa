"""What is compared, by which figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.loop.experiment import Arm
from bench.loop.intervals import Auc, Draws, Figure, Ratio, Statistic

Measured = Mapping[str, Any]
"""What ``measure`` gives for one model."""

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
"""The first less the second."""


def _nats(name: str) -> Callable[[Measured], Statistic]:
    return lambda found: Ratio(np.array(found[name]["nats"]), np.array(found[name]["tokens"]))


def _mean(name: str) -> Callable[[Measured], Statistic]:
    return lambda found: Ratio.mean(found[name])


def _auc(name: str) -> Callable[[Measured], Statistic]:
    return lambda found: Auc(np.array(found["rating_true"]), np.array(found[name]))


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a model."""

    label: str
    statistic: Callable[[Measured], Statistic]
    lower_is_better: bool = False
    rates: bool = False
    """Whether it is of the ratings, which a model without seeds never learnt."""
    unlabelled: bool = False
    """Whether it is on responses that the loop's models were trained on."""


MEASURES = (
    Measure("NLL of the instruction", _nats("instruction"), lower_is_better=True),
    Measure("NLL of the response (human tag)", _nats("response"), lower_is_better=True),
    Measure("NLL of the response (both tags)", _nats("response_both_tags"), lower_is_better=True),
    Measure("rating AUC (random mismatches)", _auc("rating_random"), rates=True),
    Measure("rating AUC (hard mismatches)", _auc("rating_hard"), rates=True),
    Measure("ROUGE-L of the written instruction", _mean("rouge")),
    Measure("true instruction first of 10", _mean("first")),
    Measure("ROUGE-L on the unlabelled", _mean("rouge_unlabelled"), unlabelled=True),
    Measure("first of 10 on the unlabelled", _mean("first_unlabelled"), unlabelled=True),
)


def applies(measure: Measure, *arms: Arm) -> bool:
    """Whether a figure says something of these models."""
    return not (measure.rates and Arm.CURATED_ONLY in arms)


def figure(measure: Measure, found: Sequence[Measured], resamples: int) -> Figure:
    """Of one model, measured under each training seed."""
    statistics = [measure.statistic(each) for each in found]
    return _draws(measure, found, resamples).figure(statistics)


def difference(
    measure: Measure, ours: Sequence[Measured], theirs: Sequence[Measured], resamples: int
) -> Figure:
    """Ours less theirs, under the same training seeds, on the same pairs."""
    both = ([measure.statistic(each) for each in found] for found in (ours, theirs))
    return _draws(measure, ours, resamples).difference(*both)


def _draws(measure: Measure, found: Sequence[Measured], resamples: int) -> Draws:
    pairs = len(found[0]["rouge_unlabelled" if measure.unlabelled else "rouge"])
    return Draws.make(pairs, len(found), resamples)
