"""Headings whose text is refused: navigation and notices, none, and capitals out of place."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from agents.passages.navigation import NAVIGATION
from agents.refusal import Refusal

_NUMBER = re.compile(
    r"(?:(?:chapter|section|part|appendix)\s+)?"
    r"(?:\d+(?:\.\d+)*[.):]?|[A-Z](?:\.\d+)+[.):]?|[A-Z][.)]|[IVXLC]+[.)]|§+\s*\d+\S*)\s+",
    re.IGNORECASE,
)
_AROUND = " \t:.!?*|<>-–—\u00bb\u00ab\u2026[]()#"
_LONGEST_ACRONYM = 6


@dataclass(frozen=True, slots=True)
class HeadingRules:
    """Which headings are refused."""

    refused: Collection[str] = NAVIGATION
    """Headings, in any case, whose text and subsections are refused. Numbers before them and signs
    around them are not compared.
    """
    capital_words: int = 3
    """Fewest words of a heading in capitals that is refused; 0 to refuse none."""
    capital_share: float = 0.3
    """A heading in capitals passes where more than this share of a document's headings are, 0 to 1:
    it is the document's style then, as that of manual pages.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "refused", frozenset(map(_plain, self.refused)))

    def capitals(self, headings: Iterable[str]) -> float:
        """Share of capital headings among the headings of a document that have letters, 0 to 1."""
        lettered = [heading for heading in headings if any(map(str.isalpha, heading))]
        return sum(map(str.isupper, lettered)) / len(lettered) if lettered else 0.0

    def refuse(self, headings: tuple[str, ...], capitals: float = 0.0) -> Refusal | None:
        """Return the first reason to refuse the text below ``headings``, outermost first.

        ``capitals`` is the share of the document's headings that are in capitals. Reasons:
        ``navigation``, ``empty_heading`` and ``capital_heading``.
        """
        for heading in headings:
            if _plain(heading) in self.refused:
                return Refusal("navigation", f"under the heading {heading!r}")
        if not headings:
            return None
        innermost = headings[-1]
        if not innermost:
            return Refusal("empty_heading", "under a heading without text")
        if capitals <= self.capital_share and self._shouts(innermost):
            return Refusal(
                "capital_heading",
                f"under the heading {innermost!r}, in capitals as {capitals:.0%} of the headings",
            )
        return None

    def _shouts(self, heading: str) -> bool:
        """Whether a heading is in capitals, and not made of acronyms and a word or two."""
        if not self.capital_words or not heading.isupper():
            return False
        words = [word for word in _NUMBER.sub("", heading).split() if any(map(str.isalpha, word))]
        longest = max(map(len, words), default=0)
        return len(words) >= self.capital_words and longest > _LONGEST_ACRONYM


def _plain(heading: str) -> str:
    """A heading as it is compared: in small letters, without its number and signs around it."""
    text = heading.strip(_AROUND)
    return " ".join(_NUMBER.sub("", text, count=1).strip(_AROUND).casefold().split())
