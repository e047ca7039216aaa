"""The promotion gate: which changes of the metrics promote a release, and which may be chance."""

import math

import numpy as np
import pytest

from models.evaluation.estimate import Estimate
from models.evaluation.metrics import HumanAgreement, Measurements
from models.evaluation.promotion import MIN_PAIRS, compare_releases, decide

_LABELS = (5, 4, 3, 2, 1)
_BETTER = {
    "nll": (-0.15, -0.2, -0.1),
    "rating_auc": (0.01, -0.01, 0.03),
    "rating_correlation": (0.02, -0.01, 0.05),
    "rating_precision": (0.03, 0.01, 0.05),
    "rating_recall": (-0.01, -0.04, 0.02),
}


def _measured(pairs: int = 40, seed: int = 0) -> Measurements:
    generator = np.random.default_rng(seed)
    tokens = generator.integers(5, 50, (2, pairs)).astype(float)
    nats = tokens * generator.uniform(2, 4, (2, pairs))
    ratings = np.clip(np.array(_LABELS) + generator.normal(0, 1.5, (pairs, len(_LABELS))), 1, 5)
    instruction, response = (
        np.stack([one, count], axis=1) for one, count in zip(nats, tokens, strict=True)
    )
    return Measurements(tuple(range(pairs)), instruction, response, _LABELS, ratings)


def _changed(
    parent: Measurements, nats_a_token: float | np.ndarray, ratings: np.ndarray | None = None
) -> Measurements:
    """``parent`` with ``nats_a_token`` added, a number for all pairs or one for each, [N]."""

    def more(texts: np.ndarray) -> np.ndarray:
        return np.stack([texts[:, 0] + nats_a_token * texts[:, 1], texts[:, 1]], axis=1)

    kept = parent.ratings if ratings is None else ratings
    return Measurements(
        parent.pairs, more(parent.instruction), more(parent.response), parent.labels, kept
    )


def test_a_better_release_is_promoted_with_its_metrics_and_intervals() -> None:
    verdict = decide(_BETTER, 24)
    assert verdict.promote
    assert verdict.reason == (
        "held-out NLL -0.150 (-0.200 to -0.100) nats a token, rating AUC +0.010 (-0.010 to "
        "+0.030), precision +0.030 (+0.010 to +0.050), on 24 pairs"
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"nll": (0.1, 0.05, 0.15)}, "did not fall"),
        ({"nll": (0.0, 0.0, 0.0)}, "did not fall"),
        ({"nll": (-0.1, -0.3, 0.1)}, "may be chance"),
        ({"nll": (-0.1, -0.2, 0.0)}, "may be chance"),
        ({"rating_auc": (-0.01, -0.02, -0.001)}, "AUC fell"),  # little, and no chance
        ({"rating_auc": (-0.05, -0.2, 0.1)}, "AUC fell"),  # much, and perhaps chance
        ({"rating_correlation": (-0.02, -0.03, -0.01)}, "rank correlation of the ratings fell"),
        ({"rating_precision": (-0.37, -0.45, -0.3)}, "precision at the threshold fell by 0.370"),
        ({"rating_precision": (-0.11, -0.3, 0.1)}, "precision at the threshold fell"),
        ({"rating_recall": (-0.05, -0.08, -0.01)}, "recall at the threshold fell"),
        *(
            (
                {
                    name: tuple(
                        math.nan if place == at else value
                        for place, value in enumerate(_BETTER[name])
                    )
                },
                "not every metric",
            )
            for name in _BETTER
            for at in range(3)
        ),
    ],
)
def test_anything_else_is_kept_with_the_reason(change: dict[str, Estimate], why: str) -> None:
    verdict = decide({**_BETTER, **change}, 24)
    assert not verdict.promote
    assert why in verdict.reason


def test_an_auc_within_chance_passes() -> None:
    assert decide({**_BETTER, "rating_auc": (-0.02, -0.06, 0.02)}, 24).promote


@pytest.mark.parametrize("name", list(_BETTER))
def test_a_missing_metric_is_not_passed_over(name: str) -> None:
    with pytest.raises(KeyError):
        decide({key: value for key, value in _BETTER.items() if key != name}, 24)


@pytest.mark.slow
def test_the_same_model_is_never_promoted() -> None:
    for seed in range(5):
        comparison = compare_releases(_measured(seed=seed), _measured(seed=seed), (4.0, 4.0))
        assert not comparison.verdict.promote
        assert "did not fall" in comparison.verdict.reason
        assert set(comparison.changes.values()) == {(0.0, 0.0, 0.0)}


@pytest.mark.slow
def test_noise_is_not_promoted_and_a_clear_change_is() -> None:
    parent = _measured()
    generator = np.random.default_rng(1)
    promoted = [
        compare_releases(
            _changed(parent, generator.normal(0, 0.5, len(parent.pairs))), parent, (4.0, 4.0)
        ).verdict.promote
        for _ in range(10)
    ]
    assert sum(promoted) <= 1, "one in forty is above its interval by chance"
    noise = generator.normal(0, 0.1, len(parent.pairs))
    assert compare_releases(_changed(parent, noise - 0.2), parent, (4.0, 4.0)).verdict.promote
    assert not compare_releases(_changed(parent, noise + 0.2), parent, (4.0, 4.0)).verdict.promote


def test_better_texts_do_not_make_up_for_worse_ratings() -> None:
    parent = _measured()
    upside_down = _changed(parent, -0.5, 6 - parent.ratings)
    verdict = compare_releases(upside_down, parent, (4.0, 4.0)).verdict
    assert not verdict.promote
    assert "AUC fell" in verdict.reason


@pytest.mark.parametrize("field", ["instruction", "response", "ratings"])
def test_a_pair_that_gives_no_number_never_promotes(field: str) -> None:
    parent = _measured()
    new = _changed(parent, -0.5)
    broken = {name: getattr(new, name).copy() for name in ("instruction", "response", "ratings")}
    broken[field][3, 0] = math.nan
    comparison = compare_releases(
        Measurements(new.pairs, labels=new.labels, **broken), parent, (4.0, 4.0)
    )
    assert not comparison.verdict.promote
    assert "not every metric is a number" in comparison.verdict.reason


def test_an_interval_lies_around_its_change_and_narrows_with_more_pairs() -> None:
    widths = []
    for pairs in (20, 320):
        parent = _measured(pairs)
        noise = np.random.default_rng(2).normal(-0.1, 0.5, pairs)
        change, low, high = compare_releases(_changed(parent, noise), parent, (4.0, 4.0)).changes[
            "nll"
        ]
        assert low < change < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


def test_only_pairs_that_both_models_could_read_count() -> None:
    parent = _measured(30)
    fewer = parent.of(range(5, 30))
    comparison = compare_releases(_changed(fewer, -0.3), parent, (4.0, 4.0))
    assert comparison.metrics["pairs"] == comparison.parent_metrics["pairs"] == 25
    assert comparison.parent_metrics == fewer.metrics(4.0)
    assert comparison.verdict.promote


@pytest.mark.parametrize("pairs", [0, 1, MIN_PAIRS - 1])
def test_a_few_pairs_promote_nothing(pairs: int) -> None:
    parent = _measured(30).of(range(pairs))
    verdict = compare_releases(_changed(parent, -1.0), parent, (4.0, 4.0)).verdict
    assert not verdict.promote
    assert "too few" in verdict.reason


def test_human_ratings_are_reported_and_do_not_decide() -> None:
    parent = _measured()
    scores = np.array([1.0, 2, 3, 4, 5, 3])
    of_parent = HumanAgreement(
        scores, np.array([1.5, 2, 3, 4, 4.5, math.nan])
    )  # the last fits one model's context only
    of_new = HumanAgreement(scores, 6 - scores)
    comparison = compare_releases(_changed(parent, -0.5), parent, (4.0, 4.0), (of_new, of_parent))
    assert comparison.verdict.promote
    assert comparison.metrics["people_pairs"] == 5
    assert comparison.metrics["people_correlation"] == pytest.approx(-1)
    assert comparison.parent_metrics["people_error"] == pytest.approx(0.2)
    assert comparison.metrics.keys() == comparison.parent_metrics.keys()
    assert not {"people_error", "people_correlation"} & comparison.changes.keys(), (
        "5 ratings give no interval"
    )


def test_enough_human_ratings_have_an_interval() -> None:
    parent = _measured()
    scores = np.tile([1.0, 2, 3, 4, 5], 4)
    of_parent, of_new = HumanAgreement(scores, scores), HumanAgreement(scores, 6 - scores)
    comparison = compare_releases(_changed(parent, -0.5), parent, (4.0, 4.0), (of_new, of_parent))
    change, low, high = comparison.changes["people_error"]
    assert change == pytest.approx(2.4)
    assert low < change < high
    assert "people_pairs" not in comparison.changes


def test_a_release_that_lets_in_worse_pairs_is_kept_whatever_its_texts() -> None:
    parent = _measured(60)
    lenient = np.clip(parent.ratings + 1.5, 1, 5)  # the same order, and more above the threshold
    verdict = compare_releases(_changed(parent, -0.5, lenient), parent, (4.0, 4.0)).verdict
    assert not verdict.promote
    assert "precision at the threshold fell" in verdict.reason


def test_each_model_is_measured_at_its_own_threshold() -> None:
    parent = _measured()
    comparison = compare_releases(_changed(parent, -0.5), parent, (2.0, 5.1))
    assert comparison.metrics["rating_recall"] == parent.metrics(2.0)["rating_recall"]
    assert comparison.parent_metrics["rating_recall"] == 0
    nothing_kept = compare_releases(_changed(parent, -0.5), parent, (math.inf, 4.0)).verdict
    assert not nothing_kept.promote
    assert "recall at the threshold fell" in nothing_kept.reason
