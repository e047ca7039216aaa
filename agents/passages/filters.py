"""The filters that a passage must pass, cheapest first.

After the curation of web segments in *Self-Alignment with Instruction Backtranslation* (arXiv
2308.06259): headings that announce no text, length, repetition between sentences; and a filter of
our own against tables of symbols.
"""

import re
import string
from dataclasses import dataclass
from itertools import islice

from agents.refusal import Refusal

NAVIGATION = frozenset(
    """
    about us|advertisement|advertisements|advertising|all rights reserved|archives|breadcrumb|breadcrumbs|contact|contact us
    contents|cookie policy|cookies|copyright|external links|follow us|footer|footnotes|forum|forums|get in touch|home
    in this article|join our newsletter|latest news|latest posts|leave a comment|leave a reply|legal notice|log in|login|main menu
    menu|more from us|most popular|navigation|newsletter|newsletters|on this page|popular posts|post a comment|post navigation
    privacy policy|quick links|read more|recent comments|recent posts|register|related|related articles|related links
    related posts|search this site|see also|share|share this|sidebar|sign in|sign up|site map|site navigation|sitemap
    skip to content|sponsored|sponsored links|stay connected|subscribe|subscribe to our newsletter|table of contents|tag cloud
    terms and conditions|terms of service|terms of use|toc|trending|user menu|you may also like|you might also like
    """.strip().replace("\n", "|").split("|")
) - {""}  # fmt: skip
"""Headings, in lower case, under which a page says something about itself."""

_NUMBER = re.compile(r"^[\d.]+\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_NOT_ASCII_LETTERS = bytes(set(range(128)) - set(string.ascii_letters.encode()))
_WHITE_SPACE = string.whitespace.encode()
_ASCII = re.compile(r"[\x00-\x7f]+")
_LONGEST_ACRONYM = 6
_FEWEST_LETTERS = 0.5
"""Share of the characters that are letters, below which a passage is a table or a figure made of
characters.
"""
_ALIKE = 0.5
"""Jaccard similarity of two sentences' trigrams from which one repeats the other."""
_MOST_SENTENCES = 64
_LOOK_BACK = 16
"""A sentence is compared with so many before it: at most 64 * 16 pairs a passage."""


TOO_SHORT = "too_short"
"""By far the commonest reason: every heading with a line or two under it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a passage may be."""

    min_characters: int
    max_characters: int
    max_repetition: float
    """Largest share, 0 to 1, of a passage's sentences (by trigrams) that may repeat an earlier
    one.
    """


def refuse(text: str, headings: tuple[str, ...], limits: Limits) -> Refusal | None:
    """The first reason to refuse a passage, or None where it passes.

    Reasons: ``navigation``, ``empty_heading``, ``capital_heading``, ``too_short``, ``too_long``,
    ``not_prose`` and ``repetitive``.
    """
    if headings and (refusal := _refuse_headings(headings)):
        return refusal
    length = len(text)
    if length < limits.min_characters:
        return Refusal(
            TOO_SHORT, f"{length:,} characters; at least {limits.min_characters:,} are wanted"
        )
    if length > limits.max_characters:
        return Refusal(
            "too_long",
            f"a block of {length:,} characters; at most {limits.max_characters:,} are wanted",
        )
    letters = letter_share(text)
    if letters < _FEWEST_LETTERS:
        return Refusal("not_prose", f"{letters:.0%} of the characters are letters")
    repeated = repetition(text, limits.max_repetition)
    if repeated > limits.max_repetition:
        return Refusal("repetitive", f"{repeated:.0%} of the sentences repeat another")
    return None


def letter_share(text: str) -> float:
    """Share of letters among the characters that are not white space, 0 to 1."""
    data = text.encode("ascii", "ignore")
    letters, seen = (
        len(data.translate(None, _NOT_ASCII_LETTERS)),
        len(data.translate(None, _WHITE_SPACE)),
    )
    if len(data) < len(text):
        others = "".join(_ASCII.sub("", text).split())
        letters, seen = letters + sum(map(str.isalpha, others)), seen + len(others)
    return letters / seen if seen else 0.0


def repetition(text: str, relevant: float) -> float:
    """Share of a text's sentences, counted by their trigrams of words, that are much like an
    earlier sentence; 0 to 1.

    Two sentences are alike where the Jaccard similarity of their trigrams is at least 0.5. So a
    sentence that repeats another shares half of its trigrams with it at the least, and a text with
    few repeated trigrams cannot reach ``relevant``: it is given 0 without looking at pairs. A text
    that is mostly repeated trigrams is given their share.
    """
    words = text.split()
    total = len(words) - 2
    if total < 1:
        return 0.0
    repeated = (
        1
        - len(set(zip(words, islice(words, 1, None), islice(words, 2, None), strict=False))) / total
    )
    if repeated < 0.4 * relevant:
        return 0.0
    return max(_repeated_sentences(text), repeated if repeated > _ALIKE else 0.0)


def _repeated_sentences(text: str) -> float:
    earlier: list[set[tuple[str, str, str]]] = []
    alike = total = 0
    for sentence in islice(_SENTENCE_END.split(text), _MOST_SENTENCES):
        words = sentence.split()
        trigrams = set(zip(words, words[1:], words[2:], strict=False))
        if not trigrams:
            continue
        total += len(trigrams)
        if any(_jaccard(trigrams, other) >= _ALIKE for other in earlier[-_LOOK_BACK:]):
            alike += len(trigrams)
        earlier.append(trigrams)
    return alike / total if total else 0.0


def _jaccard(left: set[tuple[str, str, str]], right: set[tuple[str, str, str]]) -> float:
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


def _refuse_headings(headings: tuple[str, ...]) -> Refusal | None:
    for heading in headings:
        if _NUMBER.sub("", heading).strip(" :.!?*|<>-\u00bb\u2026").casefold() in NAVIGATION:
            return Refusal("navigation", f"under the heading {heading!r}")
    innermost = headings[-1]
    if not innermost:
        return Refusal("empty_heading", "under a heading without text")
    if innermost.isupper() and (" " in innermost or len(innermost) > _LONGEST_ACRONYM):
        return Refusal("capital_heading", f"under the heading {innermost!r}")
    return None
