"""Conditions over the fields of pairs, such as ``score<3.5`` or ``text~warranty``."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from schemas.errors import SettingsError
from schemas.records import Example
from streams.data.decisions import Pair, candidate_of

Value = str | float | None

_FIELDS: Mapping[str, Callable[[Pair], Value]] = {
    "id": lambda pair: pair.id,
    "score": lambda pair: pair.rating.score if pair.rating else None,
    "release": lambda pair: pair.rating.release if pair.rating else None,
    "confidence": lambda pair: candidate_of(pair).confidence,
    "source": lambda pair: candidate_of(pair).provenance.source,
    "document": lambda pair: candidate_of(pair).provenance.document_id,
    "segment": lambda pair: candidate_of(pair).provenance.segment_id,
    "generator": lambda pair: candidate_of(pair).provenance.generator,
    "language": lambda pair: candidate_of(pair).provenance.language,
    "category": lambda pair: candidate_of(pair).category,
    "origin": lambda pair: pair.origin.value if isinstance(pair, Example) else "augmented",
    "instruction": lambda pair: candidate_of(pair).instruction,
    "context": lambda pair: candidate_of(pair).context,
    "response": lambda pair: candidate_of(pair).response,
    "text": lambda pair: _texts(pair),
    "words": lambda pair: float(len(candidate_of(pair).response.split())),
    "by": lambda pair: pair.ruling.by if pair.ruling else None,
}
FIELDS = tuple(_FIELDS)
"""What a condition can be about. ``words`` are those of the response, ``by`` who decided."""
_NUMBERS = frozenset({"score", "confidence", "words"})
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_SHAPE = re.compile(r"\s*(\w+)\s*(!=|!~|<=|>=|=|~|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """A field, an operator and a value."""

    field: str
    operator: str
    """``=`` and ``!=`` compare, ``~`` and ``!~`` look for a part in any case; ``<``, ``<=``, ``>``
    and ``>=`` compare numbers.
    """
    value: str
    """Of ``score``, ``confidence`` and ``words``, a finite number. Empty after ``=`` and ``!=``
    alone.
    """

    def holds(self, pair: Pair) -> bool:
        """Whether a pair satisfies it. One that lacks the field satisfies ``!=`` and ``!~`` alone,
        and ``=`` with an empty value, which stands for a field that is lacking.
        """
        found = _FIELDS[self.field](pair)
        if compare := _COMPARISONS.get(self.operator):
            return isinstance(found, float) and compare(found, float(self.value))
        negated, sign = self.operator.startswith("!"), self.operator[-1]
        if sign == "~":
            return (self.value.casefold() in str(found or "").casefold()) != negated
        if isinstance(found, float):
            return (self.value != "" and found == float(self.value)) != negated
        return (str(found or "") == self.value) != negated


def parse_condition(text: str) -> Condition:
    """A condition as a user writes it. Raises SettingsError."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise SettingsError(
            f"{text!r} is not a condition: write FIELD, one of = != ~ !~ < <= > >=, and a value, "
            "as in 'score<3.5', source=notes/a.md or text~warranty"
        )
    field, sign, value = shape[1], shape[2], shape[3].strip()
    if field not in _FIELDS:
        near = get_close_matches(field, FIELDS, 1)
        hint = f"did you mean {near[0]}? There" if near else "there"
        raise SettingsError(f"{text!r}: no field {field!r}; {hint} are {', '.join(FIELDS)}")
    if sign in _COMPARISONS and field not in _NUMBERS:
        raise SettingsError(f"{text!r}: {field} is a text; take = != ~ or !~")
    if field in _NUMBERS and "~" in sign:
        raise SettingsError(f"{text!r}: {field} is a number; take = != < <= > or >=")
    if not value and sign not in ("=", "!="):
        raise SettingsError(
            f"{text!r}: {sign} needs a value; {field}= finds pairs without one, {field}!= those "
            "with one"
        )
    if field in _NUMBERS and value and not _is_finite(value):
        raise SettingsError(f"{text!r}: {value!r} is not a number that {field} can have")
    return Condition(field, sign, value)


def all_hold(conditions: Sequence[Condition], pair: Pair) -> bool:
    """Whether a pair satisfies every condition."""
    return all(condition.holds(pair) for condition in conditions)


def _is_finite(value: str) -> bool:
    """Whether a text is a number; ``nan`` and ``inf`` are none here."""
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _texts(pair: Pair) -> str:
    one = candidate_of(pair)
    earlier = (turn.text for turn in one.turns)
    return "\n".join((*earlier, one.instruction, one.context or "", one.response))
