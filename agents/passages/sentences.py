"""Where sentences begin, after Unicode's rules (UAX #29, section 5), in every script.

Two rules are stricter than Unicode's. A full stop, and an ASCII ``!`` or ``?``, end a sentence only
before white space, because code and addresses have them inside of words. Common abbreviations,
initials and the numbers of list items do not end a sentence, as in the suppressions of CLDR.
"""

import itertools
import re
from collections.abc import Iterator

from models.evaluation.words import SPACELESS

_SENTENCE_TERMINALS = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b"
    "\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a"
    "\u1b5b\u1b5e\u1b5f\u1c3b\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047-\u2049\u2e2e\u2e3c\u3002\ua4ff"
    "\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1"
    "\uabeb\ufe12\ufe15\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
)
"""Characters with the property Sentence_Terminal that are not ASCII."""
_CLOSE = "\"'’”»›)\\]}」』】》〉〕）］｝"
TERMINALS = ".!?…" + _SENTENCE_TERMINALS
"""A character class, for use between brackets, of what ends a sentence."""

_END = re.compile(
    rf"[{_SENTENCE_TERMINALS}]+[{_CLOSE}]{{0,9}}+\s*|(?<![.!?…])[.!?…]++[{_CLOSE}]{{0,9}}+\s+"
)
_NOT_BEFORE = re.compile(rf"[^\w\s]{{0,9}}[a-zß-öø-ÿа-яё]|[,;:{TERMINALS}]")
"""What follows where the sentence goes on: a small letter, or more punctuation."""
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:[A-Za-z]|e\.g|i\.e|z\.B|d\.h|u\.a|a\.k\.a|etc|cf|vs|viz|Mr|Mrs|Ms|Dr|Prof|St"
    r"|Nr|No|no|Fig|fig|Eq|eq|Sec|sec|Ch|Vol|vol|pp|al|approx|resp|bzw|ca|Jr|Sr|Inc|Ltd|Co)\Z"
    r"|(?:^|\n)[ \t]*\d{1,3}\Z"
)

_FULL_END = re.compile(rf"[{TERMINALS}][{_CLOSE}]{{0,9}}(?!\S)")
_COLON = re.compile(rf"(?<=[\w{_CLOSE}])[:：](?!\S)")
_BORDER = re.compile(rf"[{TERMINALS}][{_CLOSE}]{{0,9}}\s|\n\s*\n|\t")
_CLAUSE = 300
"""Characters before the end of a sentence that are looked at."""
_FEWEST_WORDS = 5
_PLAIN_WORD = re.compile(r"[a-zA-Z\x80-\U0010ffff]+(?:[-'][a-zA-Z\x80-\U0010ffff]+)*")
_AROUND_WORD = ".,;:!?()[]\"'’”“«»"
_SPACELESS = re.compile(rf"[{SPACELESS}]{{10}}")

_PHRASE_SPACE = re.compile(
    "(?<=\\S)[ \u00a0]+(?=[\u0e01-\u0eff])|(?<=[\u0f0d-\u0f12])[ \u00a0]+(?=\\S)"
)
"""A space before a letter of Thai or Lao, and one behind a shad of Tibetan."""


def sentence_starts(text: str) -> Iterator[int]:
    """Offsets at which a sentence begins, in order, without that of the first."""
    for end in _END.finditer(text):
        at = end.end()
        if at == len(text):
            return
        if text[end.start()] in ".…" and (
            _NOT_BEFORE.match(text, at)
            or (
                end[0].rstrip() == "."
                and _ABBREVIATION.search(text[max(0, end.start() - 12) : end.start()])
            )
        ):
            continue
        if _NOT_BEFORE.match(text, at) and not text[at].isalpha():
            continue
        yield at


def phrase_starts(text: str) -> Iterator[int]:
    """Offsets behind the spaces of Thai, Lao and Tibetan, which part sentences and phrases."""
    return (space.end() for space in _PHRASE_SPACE.finditer(text))


def has_sentence(text: str) -> bool:
    """Whether a text has five words up to the end of a sentence.

    Where no spaces are written, ten characters in a row are taken for a sentence.
    """
    return _SPACELESS.search(text) is not None or _ends_clause(_FULL_END, text)


def has_lead(text: str) -> bool:
    """Whether a text has five words up to a colon."""
    return _ends_clause(_COLON, text)


def _ends_clause(end: re.Pattern[str], text: str) -> bool:
    clauses = (text[max(0, at.start() - _CLAUSE) : at.start()] for at in end.finditer(text))
    return any(_is_said(_BORDER.split(clause)[-1].split()) for clause in clauses)


def _is_said(tokens: list[str]) -> bool:
    """Whether five of the tokens are words, and half of them."""
    count = sum(map(_is_word, tokens))
    return count >= _FEWEST_WORDS and count * 2 >= len(tokens)


def _is_word(token: str) -> bool:
    return _PLAIN_WORD.fullmatch(token.strip(_AROUND_WORD)) is not None


def sentences(text: str) -> list[str]:
    """The sentences of a text, each without the white space around it; none is empty."""
    starts = [0, *sentence_starts(text), len(text)]
    found = (text[start:end].strip() for start, end in itertools.pairwise(starts))
    return [sentence for sentence in found if sentence]
