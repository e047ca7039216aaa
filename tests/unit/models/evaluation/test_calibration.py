"""Calibration to human ratings: a line is kept only where it helps on held-out pairs."""

import asyncio
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.calibration import MIN_RATED_PAIRS, calibrate, calibrated
from models.evaluation.metrics import HumanAgreement
from models.releases.release import MANIFEST, read_manifest
from models.serving.served_model import ServedModel
from schemas.records import Rating


def _agreement(
    pairs: int, slope: float, offset: float, noise: float = 0.0, seed: int = 0
) -> HumanAgreement:
    generator = np.random.default_rng(seed)
    ratings = generator.uniform(1, 5, pairs)
    return HumanAgreement(slope * ratings + offset + generator.normal(0, noise, pairs), ratings)


def test_a_bias_is_found_and_taken_out() -> None:
    found = calibrate(_agreement(40, 0.5, 1.0, 0.1), _agreement(10, 0.5, 1.0, 0.1, seed=1))
    assert found
    assert found.helps
    assert found.line == pytest.approx((0.5, 1.0), abs=0.1)
    assert found.after < 0.2 < found.before
    assert found.change[0] == pytest.approx(found.after - found.before)
    assert found.pairs == 10


def test_a_line_that_does_not_help_is_not_kept() -> None:
    found = calibrate(_agreement(40, 1.0, 0.0, 0.3), _agreement(10, 1.0, 0.0, 0.3, seed=1))
    assert found
    assert not found.helps
    worse = calibrate(_agreement(40, 0.5, 1.0), _agreement(10, 1.0, 0.0, seed=1))
    assert worse
    assert not worse.helps


@pytest.mark.parametrize(
    ("fitted", "held_out"),
    [(0, 0), (MIN_RATED_PAIRS - 6, 5), (MIN_RATED_PAIRS, 4), (0, MIN_RATED_PAIRS)],
)
def test_too_few_tell_nothing(fitted: int, held_out: int) -> None:
    assert calibrate(_agreement(fitted, 0.5, 1.0), _agreement(held_out, 0.5, 1.0)) is None


def test_ratings_are_never_turned_round_or_made_alike() -> None:
    held_out = _agreement(10, 1.0, 0.0)
    assert calibrate(_agreement(40, -1.0, 6.0), held_out) is None
    assert calibrate(HumanAgreement(np.full(40, 3.0), np.linspace(1, 5, 40)), held_out) is None
    assert calibrate(HumanAgreement(np.linspace(1, 5, 40), np.full(40, 3.0)), held_out) is None


def test_equal_scores_give_no_line_whatever_the_rounding() -> None:
    held_out = _agreement(10, 1.0, 0.0)
    for seed in range(50):
        ratings = np.random.default_rng(seed).uniform(1, 5, 40)
        assert calibrate(HumanAgreement(np.full(40, 1.0), ratings), held_out) is None


def test_pairs_without_a_rating_are_left_out() -> None:
    whole, held_out = _agreement(40, 0.5, 1.0), _agreement(10, 0.5, 1.0, seed=1)
    gaps = HumanAgreement(np.append(whole.scores, 5.0), np.append(whole.ratings, math.nan))
    assert calibrate(gaps, held_out) == calibrate(whole, held_out)


def test_a_score_stays_on_the_scale() -> None:
    assert calibrated(3.0, (0.5, 1.0)) == 2.5
    assert calibrated(4.9, (2.0, 0.0)) == 5.0
    assert calibrated(1.1, (1.0, -3.0)) == 1.0
    assert calibrated(4.2, None) == 4.2
    assert calibrated(5.0000001, None) == 5.0


@pytest.mark.slow
def test_a_served_release_rates_on_the_human_scale(tiny_release: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(tiny_release, tmp_path / "release"))

    async def rate() -> Rating:
        model = await ServedModel.load(release, device="cpu", threads=1)
        try:
            return await model.rate("What is it?", "It is a lake.", None)
        finally:
            model.close()

    before = asyncio.run(rate())
    manifest = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    (release / MANIFEST).write_text(
        json.dumps({**manifest, "calibration": [0.5, 2.0]}), encoding="utf-8"
    )
    assert read_manifest(release).calibration == (0.5, 2.0)
    after = asyncio.run(rate())
    assert after.score == pytest.approx(0.5 * before.score + 2)
    assert after.probabilities == before.probabilities
