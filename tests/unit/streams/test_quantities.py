"""Numbers and durations as text."""

import pytest

from streams.quantities import as_count, as_duration


def test_a_noun_is_in_the_plural_except_for_one() -> None:
    assert [as_count(number, "id") for number in (0, 1, 1200)] == ["0 ids", "1 id", "1,200 ids"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (90, "90 s"),
        (180, "3 min"),
        (3600, "60 min"),
        (12_000, "3.33 h"),
        (216_000, "2.5 days"),
    ],
)
def test_a_duration_is_in_its_largest_unit(seconds: float, text: str) -> None:
    assert as_duration(seconds) == text
