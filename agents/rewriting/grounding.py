"""Whether a text says only what its source says: numbers, named things, content words.

These are signs that can be read off the texts, without a model and in any language. They find what
was made up, not what was turned round. A number that is spelled out is no number here. Names are
found by their capitals, and in scripts that have none only where they are written in another script
or in katakana; what is left is found by the content words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from agents.figures import as_least, as_share
from agents.refusal import Refusal
from models.evaluation.words import SPACELESS, is_spaceless, words

_LIST_NUMBER = re.compile(r"^[ \t]*\d{1,2}[.)](?=\s)", re.MULTILINE)
"""The number of an item of a list, which says nothing."""
_NUMBER = re.compile(r"\d+(?:[.,'\u2019\u066b\u066c\u00a0\u202f]\d+)*")
_SPACE_OF_THOUSANDS = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_SEPARATOR = re.compile(r"\D+")
_THOUSAND = 3
"""Digits of a group after a separator of thousands."""
_WORD = re.compile(r"[^\W\d]\w*")
_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc]{3,}")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_OPENS = re.compile(r"(?:^|[\n.!?:;\u2026\u3002\uff01\uff1f\u0964\u061f]|[-*\u2022#>|]\s)\W*$")
"""What stands before the first word of a sentence, of a line or of an item of a list."""
_LOOK_BACK = 12
"""Characters before a word in which the start of its sentence is looked for."""
_WITH_CAPITAL_NOUNS = ("de", "lb")
"""Languages that write every noun with a capital, which then is no sign of a name."""
_CAPITAL_NOUNS = 0.25
"""Share of capitals among the words within sentences above which a text of a language that is not
known is taken for one of those.
"""
_FEWEST_WORDS = 20
"""Words within sentences from which that share is told."""
_SAME = 0.6
"""Share of the longer of two words that they must begin with in common to count as the same one:
languages inflect names too.
"""
_SHORTEST_STEM = 3
_CONTENT = 4
"""Fewest letters of a content word; shorter ones mostly have no content."""
_CONTENT_SPACELESS = 2
_HIRAGANA_END = re.compile("[\u3041-\u309f]+$")
"""Endings and particles; a word of nothing else has no content."""
_SPACELESS_SHARE = 0.3
"""Share of such characters above which a text is one of a script without spaces."""
_BETWEEN = re.compile(f"[{SPACELESS}]")


def unfounded(
    text: str, source: str, coverage: float, *, asked: str = "", language: str | None = None
) -> Iterator[Refusal]:
    """Refuse a text that says what is not in its source.

    ``coverage`` is the smallest share of its content words, 0 to 1, that must be in the source or
    in ``asked``, the instruction that it answers. ``language`` is the source's, as a code of
    ISO 639, where it is known.
    """
    if missing := missing_numbers(text, source):
        yield Refusal("number_not_in_passage", _named(missing))
    if missing := missing_names(text, source, language):
        yield Refusal("name_not_in_passage", _named(missing))
    share = covered(text, f"{source}\n{asked}")
    if share < coverage:
        yield Refusal(
            "words_not_in_passage",
            f"{as_share(share)} of the content words are in the passage, "
            f"at least {as_least(coverage)}",
        )


def missing_numbers(text: str, source: str) -> list[str]:
    """The numbers of a text that its source has not, whatever their separators and digits."""
    spaced = _SPACE_OF_THOUSANDS.sub(",", source)
    there = {
        form for one in (source, spaced) for number in _numbers(one) for form in _forms(number)
    }
    return [number for number in _numbers(text) if not there.intersection(_forms(number))]


def missing_names(text: str, source: str, language: str | None = None) -> list[str]:
    """The named things of a text that its source has not, but for their endings."""
    whole = _folded(source)
    known, spaceless = _Vocabulary(_WORD.findall(whole)), _is_mostly_spaceless(source)
    nouns = language in _WITH_CAPITAL_NOUNS if language else _has_capital_nouns(source)
    return [
        name
        for name in _names(unicodedata.normalize("NFKC", text), nouns, spaceless)
        if name.lower() not in known and not (spaceless and name.lower() in whole)
    ]


def covered(text: str, source: str) -> float:
    """Share of the content words of a text that its source has, 0 to 1; 1 where it has none."""
    whole = _folded(source)
    known = _Vocabulary(words(whole))
    said = set(filter(None, map(_content, words(_folded(text)))))
    there = sum(one in whole if is_spaceless(one) else one in known for one in said)
    return there / len(said) if said else 1.0


def says_more(text: str, asked: str) -> bool:
    """Whether a text has a number, a name or a content word that its instruction has not."""
    return covered(text, asked) < 1.0 or bool(
        missing_numbers(text, asked) or missing_names(text, asked)
    )


class _Vocabulary:
    """The words of a text. It holds also what differs from one of them in its ending alone."""

    def __init__(self, found: Iterable[str]) -> None:
        self._stems: dict[str, set[str]] = {}
        for word in found:
            self._stems.setdefault(word[:_SHORTEST_STEM], set()).add(word)

    def __contains__(self, word: str) -> bool:
        near = self._stems.get(word[:_SHORTEST_STEM], ())
        return word in near or any(_is_inflected(word, other) for other in near)


def _is_inflected(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    same = 0
    while same < len(shorter) and shorter[same] == longer[same]:
        same += 1
    least = _SHORTEST_STEM if same == len(shorter) else _SHORTEST_STEM + 1
    return same >= max(least, _SAME * len(longer))


def _numbers(text: str) -> list[str]:
    """The numbers of a text in ASCII digits, each once."""
    plain = _LIST_NUMBER.sub("", unicodedata.normalize("NFKC", text))
    digits = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in plain)
    return list(dict.fromkeys(_NUMBER.findall(digits)))


def _forms(number: str) -> set[str]:
    """What a number may mean: separators of thousands are left out, a decimal one is a point."""
    groups = _SEPARATOR.split(number)
    forms = {".".join(groups)}
    if all(len(group) == _THOUSAND for group in groups[1:]):
        forms.add("".join(groups))
    if len(groups) > 2 and all(len(group) == _THOUSAND for group in groups[1:-1]):
        forms.add("".join(groups[:-1]) + "." + groups[-1])
    return forms


def _names(text: str, capital_nouns: bool, spaceless: bool) -> Iterator[str]:
    """The named things of a text, each once.

    Words with capitals, but for the first one of a sentence, which has one anyway; words with
    several capitals or an underscore; katakana, and beside a ``spaceless`` source Latin words.
    """
    found = _LATIN.findall(text) if spaceless else _capitals(text, capital_nouns)
    yield from dict.fromkeys((*found, *_KATAKANA.findall(text)))


def _capitals(text: str, capital_nouns: bool) -> Iterator[str]:
    for found in _WORD.finditer(text):
        word = found[0]
        several = len(word) > 1 and ("_" in word.strip("_") or any(map(str.isupper, word[1:])))
        capital = len(word) > 1 and word[0].isupper() and not capital_nouns
        if several or (capital and _is_within_a_sentence(text, found.start())):
            yield word


def _has_capital_nouns(text: str) -> bool:
    within = [
        found[0][0].isupper()
        for found in _WORD.finditer(text)
        if _is_within_a_sentence(text, found.start())
    ]
    return len(within) >= _FEWEST_WORDS and sum(within) > _CAPITAL_NOUNS * len(within)


def _is_within_a_sentence(text: str, start: int) -> bool:
    return start > 0 and _OPENS.search(text[max(0, start - _LOOK_BACK) : start]) is None


def _is_mostly_spaceless(text: str) -> bool:
    return is_spaceless(text) and len(_BETWEEN.findall(text)) > _SPACELESS_SHARE * len(text)


def _content(word: str) -> str:
    """What a word says, without the endings of Japanese; empty for one without content."""
    if is_spaceless(word):
        return _HIRAGANA_END.sub("", word) if len(word) >= _CONTENT_SPACELESS else ""
    return "" if len(word) < _CONTENT or word.isdigit() else word


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _named(missing: Sequence[str]) -> str:
    """The first of what is missing, for people."""
    return ", ".join(one[:40] for one in missing[:5])
