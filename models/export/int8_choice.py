"""Chooses whether a release is served in int8 on a CPU (``models/export/int8_verdict.py``)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.export.int8_comparison import ComparedPair, Int8Comparison
from models.export.int8_verdict import PairedDifferences, holds, is_refused_early
from models.precision import PRECISION_FILE, Precision
from models.progress import Report, at_intervals


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """An int8 graph beside fp32, over the pairs that were measured.

    Where no pair fits the context window, the numbers are NaN.
    """

    pairs: int
    """Pairs measured: fewer than there are where int8 was refused before."""
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

    @classmethod
    def of(cls, compared: Sequence[ComparedPair], chosen: Precision) -> "QuantizationReport":
        """Summarize the pairs that led to a choice."""
        if not compared:
            nan = float("nan")
            return cls(0, nan, nan, nan, nan, nan, chosen)
        tokens = sum(pair.target_tokens for pair in compared)
        agree = [round(pair.fp32.rating) == round(pair.int8.rating) for pair in compared]
        return cls(
            pairs=len(compared),
            nll_fp32=sum(pair.fp32.nats for pair in compared) / tokens,
            nll_int8=sum(pair.int8.nats for pair in compared) / tokens,
            rating_shift=float(differences(compared).rating_shift.mean()),
            rating_agreement=float(np.mean(agree)),
            same_tokens=1 - float(differences(compared).changed_tokens.mean()),
            chosen=chosen,
        )

    def __str__(self) -> str:
        return (
            f"NLL {self.nll_fp32:.3f} in fp32 and {self.nll_int8:.3f} in int8, ratings moved by "
            f"{self.rating_shift:.3f}, {self.same_tokens:.1%} of greedy tokens the same "
            f"({self.pairs} pairs)"
        )


def differences(compared: Sequence[ComparedPair]) -> PairedDifferences:
    """The arrays that the verdict is computed from."""
    return PairedDifferences(
        nll_rise=np.array([pair.int8.nats - pair.fp32.nats for pair in compared]),
        tokens=np.array([pair.target_tokens for pair in compared], np.float64),
        rating_shift=np.array([abs(pair.int8.rating - pair.fp32.rating) for pair in compared]),
        changed_tokens=np.array([pair.changed_tokens for pair in compared]),
    )


def compare(comparison: Int8Comparison, report: Report = lambda line: None) -> QuantizationReport:
    """Measure an int8 graph until it is refused or all pairs are measured. Raises EngineError."""
    compared: list[ComparedPair] = []
    for batch in comparison.compared(at_intervals(report)):
        compared += batch
        if is_refused_early(differences(compared), len(comparison)):
            break
    passed = len(compared) == len(comparison) and holds(differences(compared))
    return QuantizationReport.of(compared, Precision.INT8 if passed else Precision.FP32)


def choose_precision(release: Path, found: QuantizationReport) -> None:
    """Write a release's report; remove its int8 graph if that was refused."""
    if found.chosen is not Precision.INT8:
        for file in release.glob(f"{Precision.INT8.file}*"):
            file.unlink()
    (release / PRECISION_FILE).write_text(
        json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8"
    )
