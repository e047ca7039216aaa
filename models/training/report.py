"""Writes the training report of a release: data, metrics beside the parent's, and verdict."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.calibration import Calibration
from models.evaluation.metrics import Array, Measurements
from models.evaluation.promotion import ReleaseComparison
from models.judging.criterion import Criterion
from models.judging.judge import Judges
from models.judging.quality import JUDGE_FIGURES
from models.releases.release import REPORT
from models.releases.trained_on import TrainedOn
from models.training.plots import draw_curve, draw_histogram

DATA = "report.json"
CURVE = "report-calibration.svg"
HISTOGRAM = "report-scores.svg"

_CURVE_ROWS = 5
"""Of the judge's thresholds, every fifth is shown: half points."""
_EDGES = np.linspace(1, 5, 17)
_MEANINGS = {
    "instruction_nll": "NLL of the true instruction given its response, nats a token",
    "response_nll": "NLL of the true response given its instruction, nats a token",
    "nll": "mean of both",
    "rating_auc": "rating AUC, true pairs against pairs that do not belong together",
    "rating_precision": "share of the accepted pairs that deserve a 4 or 5",
    "rating_recall": "share of the pairs that deserve a 4 or 5 that is kept",
    "rating_correlation": "rank correlation of ratings and labels",
    "rating_error": "mean distance of ratings and labels, points",
    "rating_true": "mean rating of true pairs",
    "rating_mismatched": "mean rating of pairs that do not belong together",
    "people_correlation": "rank correlation of ratings and human ratings",
    "people_error": "mean distance of ratings and human ratings, points",
}
_COUNTS = {"pairs": "pairs", "people_pairs": "pairs with human ratings"}


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The contents of a report."""

    id: str
    base: str
    parent: str
    criterion: Criterion
    thresholds: tuple[float, float]
    """Lowest ratings that are kept, of the release and of its parent; infinite where none is."""
    comparison: ReleaseComparison
    new: Measurements
    old: Measurements
    """The parent's."""
    calibration: Calibration | None
    counts: Mapping[str, int]
    judges: Judges | None = None
    trained_on: Mapping[str, TrainedOn] = field(default_factory=dict)
    """By source."""

    def write(self, directory: Path) -> None:
        """Write ``report.md``, ``report.json`` and two plots.

        The bytes are the same for the same values.
        """
        curves = {name: _curve(measured) for name, measured in self._models.items()}
        histograms = {
            name: np.histogram(measured.ratings, _EDGES)[0].tolist()
            for name, measured in self._models.items()
        }
        draw_curve(curves, directory / CURVE)
        draw_histogram(histograms, _EDGES.tolist(), directory / HISTOGRAM)
        (directory / DATA).write_text(
            json.dumps(self._data(curves, histograms), indent=2) + "\n", encoding="utf-8"
        )
        (directory / REPORT).write_text("\n".join(self._lines()) + "\n", encoding="utf-8")

    @property
    def _models(self) -> dict[str, Measurements]:
        return {self.id: self.new, self.parent: self.old}

    def _data(
        self, curves: Mapping[str, list[Mapping[str, float]]], histograms: Mapping[str, list[int]]
    ) -> dict[str, Any]:
        return {
            "release": self.id,
            "base": self.base,
            "parent": self.parent,
            "verdict": asdict(self.comparison.verdict),
            "criterion": asdict(self.criterion),
            "thresholds": [one if math.isfinite(one) else None for one in self.thresholds],
            "metrics": self.comparison.metrics,
            "parent_metrics": self.comparison.parent_metrics,
            "changes": self.comparison.changes,
            "counts": self.counts,
            "trained_on": {name: one.model_dump() for name, one in self.trained_on.items()},
            "judges": self.judges.model_dump() if self.judges else None,
            "calibration": asdict(self.calibration) | {"kept": self.calibration.helps}
            if self.calibration
            else None,
            "curves": curves,
            "histogram": {"edges": _EDGES.tolist(), "pairs": histograms},
        }

    def _lines(self) -> list[str]:
        verdict = self.comparison.verdict
        counts = self.counts
        return [
            f"# Release {self.id}",
            "",
            f"{'Promoted' if verdict.promote else 'Kept, not served'}: {verdict.reason}.",
            "",
            f"Trained from {self.base} on {counts['seeds']:,} human seeds, "
            f"{counts['examples']:,} examples curated under {self.parent} and "
            f"{counts['ratings']:,} human ratings, in {counts['steps']:,} steps. Left out, because "
            f"they are near to held-out pairs: {counts['leaked']:,} examples and "
            f"{counts['ratings_leaked']:,} ratings.",
            "",
            "## Trained on",
            "",
            *self._source_lines(),
            "",
            "## Metrics on held-out pairs",
            "",
            "| metric | release | parent | change | 95% interval |",
            "|---|---|---|---|---|",
            *self._rows(),
            "",
            self._kept(),
            "",
            "## Ratings",
            "",
            f"![Mean label by rating]({CURVE})",
            "",
            f"![Labelled pairs by rating]({HISTOGRAM})",
            "",
            *self._calibration_lines(),
            "",
            "## Judge",
            "",
            *self._judge_lines(),
        ]

    def _source_lines(self) -> list[str]:
        """A row for each source: people, and the stages that made candidates."""
        return [
            "| source | examples | left out as unsure | used | in an epoch | share | asked for "
            "| mean confidence | tag |",
            "|---|---|---|---|---|---|---|---|---|",
            *(
                f"| {name} | {one.there:,} | {one.unsure:,} | {one.used:,} | {one.drawn:,} "
                f"| {one.share:.0%} | {'' if one.asked_for is None else f'{one.asked_for:g}'} "
                f"| {'' if one.confidence is None else f'{one.confidence:.2f}'} | {one.tag} |"
                for name, one in self.trained_on.items()
            ),
        ]

    def _rows(self) -> list[str]:
        metrics, parent = self.comparison.metrics, self.comparison.parent_metrics
        rows = []
        for name, meaning in _MEANINGS.items():
            change = self.comparison.changes.get(name)
            if change is None and name not in metrics:
                continue
            both = f"{metrics[name]:.3f} | {parent[name]:.3f}" if name in metrics else " | "
            interval = (
                f"{change[0]:+.3f} | {change[1]:+.3f} to {change[2]:+.3f}" if change else " | "
            )
            rows.append(f"| {meaning} | {both} | {interval} |")
        return [
            *rows,
            *(
                f"| {meaning} | {metrics[name]:.0f} | {parent[name]:.0f} | | |"
                for name, meaning in _COUNTS.items()
                if name in metrics
            ),
        ]

    def _judge_lines(self) -> list[str]:
        judges = self.judges
        if judges is None:
            return [
                "The release has no judge and rates by digits: too few seeds fit its context "
                "window."
            ]
        kinds = {
            "combined": judges.combined.figures,
            "likelihood": judges.likelihood.figures,
            "digits": judges.digits,
        }
        return [
            f"Fitted on {judges.pairs:,} graded pairs made from {judges.human_pairs:,} human seeds "
            f"that were trained on, and on {judges.rated_pairs:,} pairs that people rated. The "
            "figures come from cross-validation.",
            "",
            f"| evidence | {' | '.join(JUDGE_FIGURES.values())} |",
            f"|---|{'---|' * len(JUDGE_FIGURES)}",
            *(
                f"| {kind} | "
                + " | ".join(f"{found.get(name, float('nan')):.3f}" for name in JUDGE_FIGURES)
                + " |"
                for kind, found in kinds.items()
            ),
            "",
            *self._threshold_lines(),
        ]

    def _threshold_lines(self) -> list[str]:
        judge = self.criterion.judge_of(self.judges)
        if judge is None:
            return ["The stream rates by digits, whose precision is not estimated."]
        threshold = self.thresholds[0]
        if math.isfinite(threshold):
            at = judge.at(threshold)
            pairs = (
                f"{self.judges.rated_pairs:,} pairs that people rated"
                if self.judges and self.judges.rated_pairs
                else "graded pairs, each grade counted alike,"
            )
            text = (
                f"At the threshold {threshold:g}, {at.acceptance:.0%} of the {pairs} are accepted, "
                f"and {at.precision:.0%} of these deserve a 4 or 5: the estimated precision. "
                f"{at.recall:.0%} of those that deserve it are accepted."
            )
        else:
            text = (
                "No threshold has the estimated precision that is asked for: nothing is accepted."
            )
        return [
            text,
            "",
            "| threshold | accepted | estimated precision | recall |",
            "|---|---|---|---|",
            *(
                f"| {point.threshold:g} | {point.acceptance:.0%} | {point.precision:.0%} | "
                f"{point.recall:.0%} |"
                for point in judge.curve[::_CURVE_ROWS]
            ),
        ]

    def _kept(self) -> str:
        own, its = (f"{one:g}" if math.isfinite(one) else "none is kept" for one in self.thresholds)
        found = (
            f"Lowest rating that is accepted, by the evidence `{self.criterion.evidence}`: {own}"
        )
        found += f"; of the parent's: {its}" if its != own else ""
        if (target := self.criterion.target_precision) is not None:
            found += f". A judge's estimated precision is {target:.0%} from there on"
        return f"{found}."

    def _calibration_lines(self) -> list[str]:
        found = self.calibration
        judges = self.judges if self.criterion.judge_of(self.judges) else None
        if judges and judges.rated_pairs:
            return [
                f"The judge has learned from {judges.rated_pairs:,} pairs that people rated, so "
                "its ratings are on their scale."
            ]
        if found is None:
            return [
                "The ratings are not calibrated: there are too few human ratings, or the model's "
                "ratings do not rise with them."
            ]
        slope, offset = found.line
        change, low, high = found.change
        return [
            f"On the scale of human ratings a rating r is {slope:.3f} r {offset:+.3f}. On "
            f"{found.pairs} held-out pairs with human ratings, the mean distance from these is "
            f"{found.before:.3f} points before and {found.after:.3f} after calibration, a change "
            f"of {change:+.3f} ({low:+.3f} to {high:+.3f}), so the line is "
            f"{'used' if found.helps else 'not used'}."
        ]


def _curve(measured: Measurements) -> list[Mapping[str, float]]:
    """Return mean rating, mean label and number of labelled pairs for each half point with any."""
    ratings = measured.ratings.ravel()
    labels: Array = np.broadcast_to(
        np.array(measured.labels, float), measured.ratings.shape
    ).ravel()
    place = np.minimum(((ratings - 1) * 2).astype(int), 7)
    return [
        {
            "rating": float(ratings[place == half].mean()),
            "label": float(labels[place == half].mean()),
            "pairs": int((place == half).sum()),
        }
        for half in sorted(set(place.tolist()))
    ]
