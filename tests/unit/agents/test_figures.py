"""Ratings and shares beside their limits, as people read them."""

import pytest

from agents.figures import as_least, as_score, as_share


@pytest.mark.parametrize("hundredths", range(-100, 501))
def test_what_two_decimals_hold_is_shown_as_it_is(hundredths: int) -> None:
    assert as_score(hundredths / 100) == f"{hundredths / 100:.2f}"


@pytest.mark.parametrize("percent", range(101))
def test_a_whole_percentage_is_shown_as_it_is(percent: int) -> None:
    assert as_share(percent / 100) == as_least(percent / 100) == f"{percent}%"


def test_the_rest_is_rounded_down() -> None:
    assert as_score(3.9999999) == "3.99"
    assert as_score(0.45 - 0.15) == "0.30"
    assert as_score(4.5 - 4.2) == "0.29", "it is just under 0.3"
    assert as_share(2 / 3) == "66%"
    assert as_share(0.0001) == "0%"
    assert as_least(0.905) == "90.5%"
