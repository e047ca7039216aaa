"""The figures of a pair, from given likelihoods."""

import math

import pytest

from models.judging.evidence import (
    DIGIT_FIGURES,
    LIKELIHOOD_FIGURES,
    EvidenceKind,
    digit_figures,
    expected_grade,
)
from models.judging.pair_nats import PairNats


def test_figures_of_likelihoods() -> None:
    given = [1.0] * 20 + [3.0] * 20
    found = PairNats(given, [4.0] * 40, [2.0, 1.0], [5.0, 2.0]).figures()
    assert list(found) == list(LIKELIHOOD_FIGURES)
    assert found["forward_gain"] == 2.0
    assert found["forward_gain_sum"] == pytest.approx(math.log1p(80))
    assert (found["forward_gain_head"], found["forward_gain_tail"]) == (3.0, 1.0)
    assert (found["response_given"], found["response_alone"]) == (-2.0, -4.0)
    assert (found["response_head"], found["response_tail"], found["response_end"]) == (-1, -3, -3)
    assert (found["backward_gain"], found["instruction_given"]) == (2.0, -1.5)
    assert found["backward_gain_sum"] == pytest.approx(math.log1p(4))
    assert found["response_tokens"] == pytest.approx(math.log(40))


def test_a_loss_is_a_negative_gain() -> None:
    found = PairNats([4.0], [1.0], [2.0], [2.0]).figures()
    assert found["forward_gain"] == found["forward_gain_head"] == -3.0
    assert found["forward_gain_sum"] == pytest.approx(-math.log1p(3))
    assert found["backward_gain_sum"] == 0.0


def test_figures_of_digits() -> None:
    found = digit_figures((0.0, 0.0, 0.0, 0.5, 0.5), 0.5)
    assert list(found) == list(DIGIT_FIGURES)
    assert found == {"digit": 4.5, "digit_square": 2.25, "digit_mass": pytest.approx(math.log(0.5))}
    assert math.isfinite(digit_figures((0.2,) * 5, 0.0)["digit_mass"])
    assert expected_grade((0.2,) * 5) == pytest.approx(3.0)


def test_kinds_name_their_figures() -> None:
    assert EvidenceKind.LIKELIHOOD.figures == tuple(LIKELIHOOD_FIGURES)
    assert EvidenceKind.DIGITS.figures == tuple(DIGIT_FIGURES)
    assert EvidenceKind.COMBINED.figures == (*LIKELIHOOD_FIGURES, *DIGIT_FIGURES)
