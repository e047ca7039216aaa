"""What the curator's rating rule accepts of given ratings."""

import pytest

from agents.curation.settings import CuratorSettings
from schemas.records import Rating
from streams.observe.acceptance import acceptance_of


def _rating(score: float, precision: float | None, term: int = 2, release: str = "r-2") -> Rating:
    return Rating(
        score=score,
        probabilities=(0.0, 0.0, 1.0 - score / 5, 0.0, score / 5),
        release=release,
        template="rating.markers.1",
        term=term,
        precision=precision,
    )


_RATINGS = [
    _rating(4.9, 0.99, term=1, release="r-1"),
    _rating(4.5, 0.95),
    _rating(4.0, 0.8),
    _rating(3.0, 0.6),
    _rating(2.0, 0.5),
]


def test_a_threshold() -> None:
    found = acceptance_of(_RATINGS, CuratorSettings())
    assert found is not None
    assert (found.release, found.ratings, found.accepted) == ("r-2", 4, 2)
    assert found.precision == 0.8
    assert found.expected == pytest.approx(0.85)
    assert str(found) == (
        "50% of the last 4 ratings of r-2 are high enough (rated 4 or more); of pairs "
        "rated as high, an estimated 80% deserve a 4 or 5"
    )


def test_a_target_precision() -> None:
    found = acceptance_of(_RATINGS, CuratorSettings(target_precision=0.55))
    assert found is not None
    assert (found.accepted, found.precision) == (3, 0.6)
    assert found.rule == "estimated precision 0.55 or more"


def test_of_models_that_were_never_announced_the_one_that_rated_last_counts() -> None:
    ratings = [_rating(4.5, None, term=0, release="old"), _rating(3.0, 0.6, term=0, release="new")]
    found = acceptance_of(ratings, CuratorSettings())
    assert found is not None
    assert (found.release, found.accepted) == ("new", 0)


def test_ratings_without_a_judge() -> None:
    ratings = [_rating(4.5, None), _rating(3.0, None)]
    found = acceptance_of(ratings, CuratorSettings(target_precision=0.9))
    assert found is not None
    assert (found.rule, found.accepted, found.precision) == ("rated 4 or more", 1, None)


def test_nothing_accepted_and_nothing_rated() -> None:
    found = acceptance_of([_rating(2.0, 0.5)], CuratorSettings())
    assert found is not None
    assert (found.accepted, found.precision, found.expected) == (0, None, None)
    assert acceptance_of([], CuratorSettings()) is None
