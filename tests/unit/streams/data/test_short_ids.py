"""Ids of which only the beginning is given."""

from streams.data.short_ids import meant_by, whole_ids

_KNOWN = ("abcd12", "abcd34", "abce", "abc", "notes/1")


def test_a_known_id_means_itself_alone_and_a_beginning_all_that_begin_so() -> None:
    given = ("abce", "abcd", "abcd1", "abc", "note", "zzzz")
    assert whole_ids(given, _KNOWN) == {
        "abce": ["abce"],
        "abcd": ["abcd12", "abcd34"],
        "abcd1": ["abcd12"],
        "abc": ["abc"],  # a whole id may be shorter than a beginning
        "note": ["notes/1"],
        "zzzz": [],
    }


def test_a_beginning_of_fewer_than_four_characters_means_nothing() -> None:
    assert whole_ids(("", "a", "not"), _KNOWN) == {"": [], "a": [], "not": []}
    assert not any(map(meant_by(("", "a", "not")), _KNOWN))


def test_what_may_be_meant_is_what_whole_ids_chooses_from() -> None:
    given = ("abc", "abcd", "notes")
    assert list(filter(meant_by(given), _KNOWN)) == ["abcd12", "abcd34", "abc", "notes/1"]
