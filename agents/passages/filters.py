"""The filters that a passage's text must pass, cheapest first.

Filters by length and repeated sentences follow the curation of web segments in *Self-Alignment with
Instruction Backtranslation* (arXiv 2308.06259), as those by heading do, in ``headings.py``. The
filter against tables of symbols is our own.
"""

import re
import string
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from agents.passages.leaning import CODE_SIGNS
from agents.passages.length import length_of
from agents.passages.sentences import TERMINALS, has_lead, has_sentence, sentences
from agents.refusal import Refusal
from models.evaluation.words import is_spaceless, words

_BLANK_LINES = re.compile(r"\n\s*\n")
_NOT_ASCII_LETTERS = bytes(set(range(128)) - set(string.ascii_letters.encode()))
_WHITE_SPACE = string.whitespace.encode()
_ASCII = re.compile(r"[\x00-\x7f]+")
_FEWEST_LETTERS = 0.5
"""A passage with a smaller fraction of letters is a table, or a figure drawn with characters."""
_IDENTIFIER = re.compile(r"[\w-]{24,}")
_FEWEST_RECORDS = 4
_RECORDS = 0.2
_MOST_CODE = 0.5
"""Share of lines of code above which a passage without a sentence is not prose."""
_MOST_DATA = 0.5
"""Share of data above which a passage is not prose, whatever sentence leads or follows it."""
_DATA = re.compile(
    r"""["'][^"'\n]{1,200}["']\s*:(?:\s|\Z)|[\[\]{}(),\s]+\Z|["'{\[\d](?:[^\n]{0,2000}["'}\]\d])?,\Z"""
)
"""A line of JSON, but for the white space around it: a key, brackets, or an item and a comma."""
_ENDS = frozenset(TERMINALS)
_ALIKE = 0.5
"""Jaccard similarity of two sentences' trigrams at which one repeats the other."""
_MOSTLY = 0.8
"""Fraction of repeated trigrams at which a text without spaces is repetitive by itself."""
_ENOUGH = 4
"""Number of earlier sentences that one without spaces must be like, to repeat them."""
_MOST_SENTENCES = 64
"""Number of sentences of a passage that are looked at."""
_LONGEST_SENTENCE = 300
"""Characters of a sentence in a script without spaces. In Thai, spaces part sentences."""
_LOOK_BACK = 16
"""Number of earlier sentences that a sentence is compared with: at most 64 * 16 pairs a passage."""


TOO_SHORT = "too_short"
"""By far the most frequent reason: each heading with only a line or two below it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a passage."""

    min_characters: int
    max_characters: int
    max_repetition: float
    """Largest fraction, 0 to 1, of a passage's sentences (by trigrams) that may repeat another."""


def refuse(text: str, limits: Limits) -> Refusal | None:
    """Return the first reason to refuse a passage, or None where it passes.

    Reasons: ``too_short``, ``too_long``, ``not_prose`` and ``repetitive``.
    """
    length = length_of(text)
    if length < limits.min_characters:
        return Refusal(
            TOO_SHORT, f"{length:,} characters; at least {limits.min_characters:,} are wanted"
        )
    if length > limits.max_characters:
        return Refusal(
            "too_long",
            f"a block of {length:,} characters; at most {limits.max_characters:,} are wanted",
        )
    if _has_records(text):
        return Refusal("not_prose", "many of its lines are identifiers")
    letters = letter_share(text)
    if letters < _FEWEST_LETTERS:
        return Refusal("not_prose", f"{letters:.0%} of the characters are letters")
    lines = code_share(text)
    if lines > _MOST_CODE and not (has_sentence(text) or has_lead(text)):
        return Refusal("not_prose", f"{lines:.0%} of the lines are code, and there is no sentence")
    data = data_share(text)
    if data > _MOST_DATA:
        return Refusal("not_prose", f"{data:.0%} of the text is data")
    repeated = repetition(text, limits.max_repetition)
    if repeated > limits.max_repetition:
        return Refusal("repetitive", f"{repeated:.0%} of the sentences repeat another")
    return None


def _has_records(text: str) -> bool:
    """Whether a fifth of the lines are identifiers: words of 24 characters, mostly digits."""
    lines = [line for line in text.split("\n") if line.strip()]
    found = sum(map(_is_identifier, lines))
    return found >= _FEWEST_RECORDS and found >= _RECORDS * len(lines)


def _is_identifier(line: str) -> bool:
    word = line.strip()
    return _IDENTIFIER.fullmatch(word) is not None and sum(map(str.isdigit, word)) * 2 > len(word)


def code_share(text: str) -> float:
    """Fraction of lines that are code or declarations, 0 to 1: they have signs that texts do not.

    A line that ends as a sentence does is text.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    code = sum(bool(CODE_SIGNS.search(line)) and line.rstrip()[-1] not in _ENDS for line in lines)
    return code / len(lines) if lines else 0.0


def data_share(text: str) -> float:
    """Fraction of a text that is in lines of data, such as JSON that a command prints; 0 to 1."""
    lines = list(filter(None, map(str.strip, text.split("\n"))))
    total = sum(map(len, lines))
    return sum(len(line) for line in lines if _DATA.match(line)) / total if total else 0.0


def letter_share(text: str) -> float:
    """Fraction of letters among the characters that are not white space, 0 to 1.

    Combining marks are letters: Burmese and Hindi write vowels with them. Characters without a form
    of their own, as joiners are, do not count.
    """
    data = text.encode("ascii", "ignore")
    letters, seen = (
        len(data.translate(None, _NOT_ASCII_LETTERS)),
        len(data.translate(None, _WHITE_SPACE)),
    )
    if len(data) < len(text):
        kinds = [unicodedata.category(one) for one in "".join(_ASCII.sub("", text).split())]
        letters += sum(kind[0] in "LM" for kind in kinds)
        seen += sum(kind != "Cf" for kind in kinds)
    return letters / seen if seen else 0.0


def repetition(text: str, relevant: float) -> float:
    """Fraction of a text's sentences that repeat an earlier one, weighted by trigrams; 0 to 1.

    One sentence repeats another where the Jaccard similarity of their word trigrams is at least
    0.5. It then shares at least half of its trigrams with the other. So a text with few repeated
    trigrams cannot reach ``relevant``, and the result is 0 without a comparison of sentences. Where
    most trigrams of a text are repeated, the result is at least their fraction.

    Where no spaces are written, words are those of ICU. Three of them are some five characters of
    Japanese, so that sentences are alike more easily: one repeats others where four are like it.
    """
    found = _words(text)
    total = len(found) - 2
    if total < 1:
        return 0.0
    repeated = (
        1
        - len(set(zip(found, islice(found, 1, None), islice(found, 2, None), strict=False))) / total
    )
    if repeated < 0.4 * relevant:
        return 0.0
    spaceless = is_spaceless(text)
    least = _MOSTLY if spaceless else _ALIKE
    return max(
        _repeated_sentences(text, _ENOUGH if spaceless else 1),
        repeated if repeated > least else 0.0,
    )


def _repeated_sentences(text: str, enough: int) -> float:
    """Fraction of sentences that are like ``enough`` earlier ones."""
    earlier: list[set[tuple[str, str, str]]] = []
    alike = total = 0
    for sentence in islice(_sentences(text), _MOST_SENTENCES):
        found = _words(sentence)
        trigrams = set(zip(found, found[1:], found[2:], strict=False))
        if not trigrams:
            continue
        total += len(trigrams)
        if sum(_jaccard(trigrams, other) >= _ALIKE for other in earlier[-_LOOK_BACK:]) >= enough:
            alike += len(trigrams)
        earlier.append(trigrams)
    return alike / total if total else 0.0


def _words(text: str) -> list[str]:
    return words(text) if is_spaceless(text) else text.split()


def _sentences(text: str) -> Iterator[str]:
    """Sentences; where a script has no sign for their end, the phrases between its spaces."""
    for block in _BLANK_LINES.split(text):
        for sentence in sentences(block):
            if len(sentence) > _LONGEST_SENTENCE and is_spaceless(sentence):
                yield from sentence.split()
            else:
                yield sentence


def _jaccard(left: set[tuple[str, str, str]], right: set[tuple[str, str, str]]) -> float:
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)
