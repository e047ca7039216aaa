"""Metrics on held-out pairs, against values computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.metrics import HumanAgreement, Measurements, auc, rank_correlation

_RATINGS = np.array([[5.0, 4.2, 2.0, 1.0], [3.0, 4.0, 4.5, 3.0]])
_MEASURED = Measurements(
    pairs=(3, 7),
    instruction=np.array([[10.0, 5], [6.0, 3]]),
    response=np.array([[40.0, 20], [10.0, 5]]),
    labels=(5, 4, 2, 1),
    ratings=_RATINGS,
)

values = st.lists(st.integers(1, 5), min_size=1, max_size=20).map(
    lambda drawn: np.array(drawn, float)
)


def test_every_metric_by_hand() -> None:
    assert _MEASURED.metrics(4.0) == pytest.approx(
        {
            "instruction_nll": 16 / 8,
            "response_nll": 50 / 25,
            "rating_auc": (4 + 2.5) / 8,  # 5.0 is above all four; 3.0 above two and level with one
            "rating_precision": 3 / 4,
            "rating_recall": 3 / 4,
            "rating_correlation": rank_correlation(_RATINGS.ravel(), np.array([5.0, 4, 2, 1] * 2)),
            "rating_error": (0 + 0.2 + 0 + 0 + 2 + 0 + 2.5 + 2) / 8,
            "rating_true": 4.0,
            "rating_mismatched": (2 + 1 + 4.5 + 3) / 4,
            "pairs": 2,
        }
    )


def test_a_resample_counts_a_pair_as_often_as_it_was_drawn() -> None:
    twice = _MEASURED.metrics(4.0, np.array([0, 0]))
    assert twice == {**_MEASURED.of([3]).metrics(4.0), "pairs": 2}


def test_nothing_kept_has_a_precision_of_nothing() -> None:
    found = _MEASURED.metrics(5.1)
    assert (found["rating_precision"], found["rating_recall"]) == (0.0, 0.0)


def test_no_pairs_have_no_metrics() -> None:
    assert _MEASURED.of([]).metrics(4.0) == {"pairs": 0.0}
    assert HumanAgreement(np.array([]), np.array([])).metrics() == {}


def test_agreement_with_human_ratings() -> None:
    found = HumanAgreement(np.array([1.0, 2, 4]), np.array([2.0, 3, 5])).metrics()
    assert found == pytest.approx(
        {"people_pairs": 3.0, "people_correlation": 1.0, "people_error": 1.0}
    )


@given(values, values)
def test_auc_is_the_fraction_of_all_couples(above: np.ndarray, below: np.ndarray) -> None:
    difference = above[:, None] - below[None, :]
    assert auc(above, below) == pytest.approx(
        (difference > 0).mean() + (difference == 0).mean() / 2
    )


def test_auc_of_what_is_no_number_is_none() -> None:
    assert math.isnan(auc(np.array([math.nan]), np.array([1.0])))
    assert math.isnan(auc(np.array([1.0]), np.array([math.nan])))


def test_rank_correlation_sees_order_alone() -> None:
    rising = np.array([1.0, 2, 3, 4])
    assert rank_correlation(rising, rising**3) == pytest.approx(1)
    assert rank_correlation(rising, -rising) == pytest.approx(-1)
    assert rank_correlation(rising, np.ones(4)) == 0.0
    # Ranks 1, 2.5, 2.5, 4 beside 1, 2, 3, 4.
    assert rank_correlation(np.array([1.0, 2, 2, 3]), rising) == pytest.approx(
        4.5 / math.sqrt(4.5 * 5)
    )
