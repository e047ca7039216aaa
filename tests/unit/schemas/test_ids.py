"""Ids depend on what a thing was made from, and not on process, machine or time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import document_id, example_id, hash_fraction, sampling_seed, seed_id, segment_id

_PINNED = {
    "document": (document_id("docs/a.txt", "Some text.\n"), "b07d0d6d6ec190accdc097122e83d361"),
    "segment": (segment_id("Some text."), "2929c53c1cf537988bcd91864f6e7a63"),
    "segment with context": (
        segment_id("Some text.", "Given."),
        "2c04d2828cc4a7fe903255f4c3a9f58c",
    ),
    "example": (
        example_id("s1", "house-1", "backward.markers.1", 0),
        "fff80ec5e2c5e21de73a0a4f71d83794",
    ),
    "seed": (seed_id("Why?", None, "Because."), "1265721de1c8bb80dc66540de386c757"),
}


@pytest.mark.parametrize("name", _PINNED)
def test_ids_never_change(name: str) -> None:
    # A change here changes every id on every topic: duplicates would no longer be recognised.
    found, pinned = _PINNED[name]
    assert found == pinned


def test_seeds_and_fractions_never_change() -> None:
    assert (
        sampling_seed(example_id("s1", "house-1", "backward.markers.1", 0)) == 9222254258485915918
    )
    assert hash_fraction("s1") == 0.9091199777348566


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5))
def test_white_space_is_folded_in_segments_alone(words: list[str]) -> None:
    plain = " ".join(words)
    spread = "\n\t " + " \n".join(words) + "  "
    assert segment_id(plain) == segment_id(spread)
    assert segment_id("x", plain) == segment_id("x", spread)
    assert document_id("", plain) != document_id("", spread)


def test_words_stay_apart_when_white_space_is_folded() -> None:
    assert segment_id("a b") != segment_id("ab")
    assert segment_id("a", None) == segment_id("a", "")
    assert segment_id("a", "b") != segment_id("a b")


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_parts_never_run_together(one: str, two: str, three: str, four: str) -> None:
    assert (document_id(one, two) == document_id(three, four)) == ((one, two) == (three, four))


def test_what_differs_in_any_part_differs() -> None:
    ids = [
        document_id("a", "bc"),
        document_id("ab", "c"),
        document_id("abc", ""),
        document_id("", "abc"),
        segment_id("abc"),
        seed_id("a", "b", "c"),
        seed_id("ab", None, "c"),
        example_id("s", "r", "t", 0),
        example_id("s", "r", "t", 1),
        example_id("s", "r", "t1", 0),
        example_id("s", "rt", "", 0),
    ]
    assert len(set(ids)) == len(ids)
    assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)


def test_a_lone_surrogate_has_an_id_too() -> None:
    assert document_id("", "\ud800") != document_id("", "\udc00")


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_seeds_fit_the_engine(sample: int) -> None:
    assert 0 <= sampling_seed(example_id("s", "r", "t", sample)) < 2**63


def test_fractions_are_spread_evenly() -> None:
    fractions = [hash_fraction(document_id("", str(number))) for number in range(5_000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert len(set(fractions)) == len(fractions)
    counts = [0] * 10
    for fraction in fractions:
        counts[int(10 * fraction)] += 1
    assert all(400 < count < 600 for count in counts), "500 each, with a deviation of 21"
