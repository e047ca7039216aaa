"""The training report of a release: contents, and the same bytes for the same values."""

import json
from pathlib import Path

import numpy as np

from models.evaluation.calibration import calibrate
from models.evaluation.metrics import HumanAgreement, Measurements
from models.evaluation.promotion import ReleaseComparison, compare_releases
from models.judging.criterion import Criterion
from models.prompts.template import SEED_TAG
from models.releases.release import REPORT
from models.releases.trained_on import TrainedOn
from models.training.report import CURVE, DATA, HISTOGRAM, TrainingReport

_COUNTS = {
    "seeds": 96,
    "examples": 1200,
    "ratings": 30,
    "leaked": 2,
    "ratings_leaked": 1,
    "steps": 40,
}


def _measured(worse: float) -> Measurements:
    generator = np.random.default_rng(0)
    tokens = generator.integers(5, 50, (2, 24)).astype(float)
    texts = [
        np.stack([count * (3 + worse) + generator.normal(0, 1, 24), count], axis=1)
        for count in tokens
    ]
    labels = (5, 4, 3, 2, 1)
    ratings = np.clip(np.array(labels) + generator.normal(0, 1, (24, 5)), 1, 5)
    return Measurements(tuple(range(24)), texts[0], texts[1], labels, ratings)


def _report(*, human: bool) -> TrainingReport:
    new, old = _measured(0), _measured(0.2)
    scores = np.linspace(1, 5, 20)
    opinions = (
        HumanAgreement(scores, (scores + 5) / 2)
        if human
        else HumanAgreement(np.array([]), np.array([]))
    )
    comparison = compare_releases(new, old, (4.0, 4.0), (opinions, opinions))
    return TrainingReport(
        "r-1",
        "house-1",
        "r-0",
        Criterion(),
        (4.0, 4.0),
        comparison,
        new,
        old,
        calibrate(opinions, opinions),
        _COUNTS,
        trained_on={
            "seed": TrainedOn(there=60, used=60, drawn=120, share=0.75, asked_for=3, tag=SEED_TAG),
            "answerer": TrainedOn(
                there=50, unsure=10, used=40, drawn=40, share=0.25, asked_for=1, confidence=0.8125
            ),
        },
    )


def test_report_states_verdict_metrics_and_intervals(tmp_path: Path) -> None:
    _report(human=True).write(tmp_path)
    text = (tmp_path / REPORT).read_text(encoding="utf-8")
    assert text.startswith("# Release r-1\n\nPromoted: held-out NLL -0.2")
    assert "1,200 examples curated under r-0 and 30 human ratings" in text
    assert "| share of the accepted pairs that deserve a 4 or 5 |" in text
    assert "Lowest rating that is accepted, by the evidence `combined`: 4.\n" in text
    assert "| mean distance of ratings and human ratings, points |" in text
    assert "2.000 r -5.000" in text
    assert "the line is used" in text
    assert f"| seed | 60 | 0 | 60 | 120 | 75% | 3 |  | {SEED_TAG} |" in text
    assert "| answerer | 50 | 10 | 40 | 40 | 25% | 1 | 0.81 |  |" in text
    assert f"]({CURVE})" in text
    assert f"]({HISTOGRAM})" in text
    data = json.loads((tmp_path / DATA).read_text(encoding="utf-8"))
    assert data["verdict"]["promote"] is True
    assert data["trained_on"]["answerer"]["confidence"] == 0.8125
    assert data["calibration"]["kept"] is True
    assert data["changes"]["nll"][2] < 0
    assert (
        sum(point["pairs"] for point in data["curves"]["r-1"])
        == sum(data["histogram"]["pairs"]["r-0"])
        == 24 * 5
    )


def test_report_without_human_ratings(tmp_path: Path) -> None:
    _report(human=False).write(tmp_path)
    assert "not calibrated" in (tmp_path / REPORT).read_text(encoding="utf-8")
    assert json.loads((tmp_path / DATA).read_text(encoding="utf-8"))["calibration"] is None


def test_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for directory in (one, other):
        directory.mkdir()
        _report(human=True).write(directory)
    for name in (REPORT, DATA, CURVE, HISTOGRAM):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert b"<svg" in (one / CURVE).read_bytes()


def test_report_without_pairs(tmp_path: Path) -> None:
    empty = _measured(0).of([])
    comparison: ReleaseComparison = compare_releases(empty, empty, (4.0, 4.0))
    TrainingReport(
        "r-1", "house-1", "r-0", Criterion(), (4.0, 4.0), comparison, empty, empty, None, _COUNTS
    ).write(tmp_path)
    assert "Kept, not served: 0 held-out pairs are too few to tell" in (
        tmp_path / REPORT
    ).read_text(encoding="utf-8")
