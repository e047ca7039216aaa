"""Numbers as they are written: with units, currencies, thousands, decimals, fractions, in words."""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from agents.answers.plain_text import plain
from agents.answers.stated import stated

_SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "k": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {
    **{word: number for number, word in enumerate(_SMALL)},
    **{word: 10 * number for number, word in enumerate(_TENS, start=2)},
}
_GROUPED = r"\d{1,3}(?:[,.'’\u00a0\u2009\u202f ]\d{3})+(?!\d)"
_DIGITS = rf"(?:{_GROUPED}(?:[.,]\d+(?!\d))?|\d+(?:[.,]\d+)?|\.\d+)"
_NUMBER = re.compile(
    rf"(?<![\w.^/])(?P<sign>(?<![\d)])-\s?)?[$€£¥₹₩₽฿]?\s?(?P<minus>-)?"
    rf"(?:(?P<whole>\d+)\s+(?P<part>\d+/\d+)(?![\d/])"
    rf"|(?P<top>{_DIGITS})\s?/\s?(?P<bottom>\d+(?:\.\d+)?)(?![\d/])"
    rf"|(?P<digits>{_DIGITS})(?:e(?P<e>[+-]?\d{{1,3}})\b)?"
    rf"(?:\s?[×x*]\s?10\s?\^\s?\{{?(?P<power>-?\d{{1,3}})\}}?)?)"
    rf"(?:[\s-]?(?P<scale>hundred|thousand|million|billion|trillion|k)\b)?",
    re.IGNORECASE,
)
_WORD = "|".join(sorted((*_WORDS, *_SCALES), key=len, reverse=True))
_IN_WORDS = re.compile(
    rf"\b(?P<words>(?:minus\s+|negative\s+)?(?:{'|'.join((*_SMALL, *_TENS))})"
    rf"(?:[\s-]+(?:and\s+)?(?:{_WORD})\b)*)\b",
    re.IGNORECASE,
)
_MOST_DIGITS = 40
"""Digits of a number that is read: longer ones are none that a question asks for."""


def number_in(text: str) -> str | None:
    """The number that a text gives as its answer, in one spelling; None where it has none.

    The first one that it states as its answer, else the last one. ``$1,200.50`` is ``2401/2``, and
    ``three and a half`` is not read as one number.
    """
    answer = stated(text)
    if answer is not None and (found := _numbers(answer)):
        return found[-1] if "=" in answer else found[0]
    found = _numbers(plain(text))
    return found[-1] if found else None


def _numbers(text: str) -> list[str]:
    """The numbers of a plain text in their order: those in digits, else those in words."""
    values = [_value(match) for match in _NUMBER.finditer(text)]
    if not values:
        values = [_spelled(match["words"]) for match in _IN_WORDS.finditer(text)]
    return [str(value) for value in values if value is not None]


def _value(match: re.Match[str]) -> Fraction | None:
    try:
        if match["whole"]:
            value = Fraction(match["whole"]) + Fraction(match["part"])
        elif match["top"]:
            value = _decimal(match["top"]) / Fraction(match["bottom"])
        else:
            value = _decimal(match["digits"])
            value *= Fraction(10) ** int(match["e"] or match["power"] or 0)
    except (ValueError, ZeroDivisionError, InvalidOperation):
        return None
    value *= _SCALES[match["scale"].lower()] if match["scale"] else 1
    return -value if match["sign"] or match["minus"] else value


def _decimal(written: str) -> Fraction:
    """A number in digits.

    A comma or a point before three digits parts thousands only where the number shows it: ``1,234``
    and ``1.234.567`` do, ``1.234`` and ``0,5`` do not.
    """
    if len(written) > _MOST_DIGITS:
        raise ValueError("too long")
    written = re.sub(r"['’\s\u00a0\u2009\u202f]", "", written)
    comma, point = written.rfind(","), written.rfind(".")
    if comma >= 0 and point >= 0:
        thousands, mark = (",", ".") if point > comma else (".", ",")
        written = written.replace(thousands, "").replace(mark, ".")
    elif written.count(".") > 1:
        written = written.replace(".", "")
    elif comma >= 0:
        grouped = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+", written)
        written = written.replace(",", "" if grouped else ".")
    return Fraction(Decimal(written))


def _spelled(said: str) -> Fraction:
    """A number in English words, such as ``two hundred and five``."""
    total = current = 0
    found = re.split(r"[\s-]+", said.lower())
    for word in found:
        if word in _WORDS:
            current += _WORDS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _SCALES:
            total += max(current, 1) * _SCALES[word]
            current = 0
    return Fraction(-(total + current) if found[0] in ("minus", "negative") else total + current)
