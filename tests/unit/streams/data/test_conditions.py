"""Conditions over the fields of pairs."""

import pytest

from schemas.errors import SettingsError
from schemas.records import Example, ExampleOrigin
from streams.data.conditions import FIELDS, all_hold, parse_condition
from tests.unit.streams.data.test_review import PAIR

SEED = Example(id="s", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("score<4.3", True),
        ("score < 4.25", False),
        ("score<=4.25", True),
        ("score=4.25", True),
        ("score!=4.25", False),
        ("source=notes.md", True),
        ("source~NOTES", True),
        ("source!~notes", False),
        ("category=open_qa", True),
        ("language!=en", False),
        ("text~scattered", True),
        ("text~sky", True),
        ("instruction~scattered", False),
        ("confidence>0", False),
        ("words=3", True),
        ("by=", True),
        ("by!=", False),
        ("category=", False),
        ("confidence=", True),
        ("confidence!=", False),
        ("confidence!=0.5", True),
        ("score=", False),
        ("score!=", True),
        ("origin=augmented", True),
        ("source=a=b", False),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert parse_condition(text).holds(PAIR) is holds


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_can_be_asked_of_a_seed(field: str) -> None:
    number = field in ("score", "confidence", "words")
    condition = parse_condition(f"{field}>1000" if number else f"{field}=nothing of this")
    assert not condition.holds(SEED)


def test_all_must_hold() -> None:
    conditions = [parse_condition("score<4.3"), parse_condition("source=other")]
    assert not all_hold(conditions, PAIR)
    assert all_hold(conditions[:1], PAIR)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("score", "write FIELD"),
        ("scores<3", r"no field 'scores'; did you mean score\? There are id, "),
        ("foo=1", "no field 'foo'; there are id, "),
        ("score<high", "'high' is not a number"),
        ("score!=nan", "'nan' is not a number"),
        ("score<=Infinity", "'Infinity' is not a number"),
        ("words>-inf", "'-inf' is not a number"),
        ("score<", "score= finds pairs without one"),
        ("text~", "~ needs a value"),
        ("text!~ ", "!~ needs a value"),
        ("source<3", "source is a text"),
        ("score~3", "score is a number"),
    ],
)
def test_what_is_no_condition_is_explained(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_condition(text)
