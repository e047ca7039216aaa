"""Graded pairs for each point of the rating scale, made from human pairs.

A true pair has grade 5. Lower grades are made by damaging the pair with hand-written rules, or by
pairing its response with another request. The scale is that of arXiv 2308.06259, table 19; its text
is in ``models/prompts/tasks/rating.py``.
"""

import itertools
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from models.seeds.pairs import Pair

_WORD = re.compile(r"[A-Za-z]{4,}")
_RARE = 100
"""A word in at most one of this many instructions is rare, and so may name a subject.

Of fewer instructions, a word in one of them is. A more frequent word ("what", "list") belongs to
the wording of requests.
"""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")

_OPENINGS = (
    "Hi everyone, welcome back to my blog! Today I want to share something with you.",
    "I have been asked about this a lot in the comments, so here is my take.",
    "In my opinion, and this is only what I found when I tried it myself:",
    "Thanks for stopping by! As promised in last week's post, here we go.",
    "I remember when my brother told me about this for the first time.",
    "Posted by admin on Monday. Last edited by moderator.",
)
_CLOSINGS = (
    "Let me know what you think in the comments below and do not forget to subscribe!",
    "Click here to read the rest of the article. Share this on social media.",
    "Sign up for our newsletter today and get 20% off your first order.",
    "That is how we do it at our company; call us for a free quote.",
    "Sorry if this is off topic, I could not find the right thread.",
)
_NAVIGATION = (
    "Home | About us | Contact | Site map | Privacy policy | Terms of use",
    "Previous topic | Next topic | Up one level | Table of contents | Index",
    "Login or register to post comments. Forgot your password? Remember me.",
    "Advertisement. Continue reading below. Skip to main content. Search this site.",
    "Copyright. All rights reserved. Follow us. Download the app. View cart.",
)


@dataclass(frozen=True, slots=True)
class GradedPair:
    """A pair and its correct grade, 1 to 5."""

    pair: Pair
    grade: int


class Grader:
    """Draws graded examples. The draws are deterministic for a given seed of ``generator``."""

    def __init__(self, pairs: Sequence[Pair], generator: random.Random) -> None:
        self._pairs = pairs
        self._random = generator
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        for index, pair in enumerate(pairs):
            for word in set(_WORD.findall(pair.instruction.lower())):
                self._by_word[word].append(index)
        self._damage: dict[int, Sequence[Callable[[Pair], Pair]]] = {
            4: (self._with_closing, self._without_last_sentence),
            3: (self._with_opening, self._with_opening_and_closing),
            2: (self._cut_short, self._with_lexical_negative),
            1: (
                self._with_random_negative,
                self._with_random_negative,
                self._with_random_negative,
                self._navigation,
            ),
        }

    def draw(self, pair: Pair, grade: int) -> GradedPair:
        """Make an example of ``grade`` from ``pair``. For 5 it is the pair itself."""
        if grade == 5:
            return GradedPair(pair, 5)
        return GradedPair(self._random.choice(self._damage[grade])(pair), grade)

    def negatives(self, graded: GradedPair, count: int) -> list[GradedPair]:
        """Make ``count`` negatives: the same response with wrong requests.

        In turn a lexical negative (grade 2), a random one (1) and a borrowed-words one (2). No
        negative has a higher grade than ``graded``.
        """
        hard = min(2, graded.grade)
        makers = (
            (self._with_lexical_negative, hard),
            (self._with_random_negative, 1),
            (self._with_borrowed_words, hard),
        )
        return [
            GradedPair(make(graded.pair), grade)
            for make, grade in itertools.islice(itertools.cycle(makers), count)
        ]

    def lexical_negative(self, pair: Pair) -> str:
        """Draw another request that shares this one's rarest word: a hard negative.

        A random request where no other request shares a word.
        """
        found = set(_WORD.findall(pair.instruction.lower()))
        # Ties are broken by the word itself: the order of a set differs between processes.
        words = sorted(found, key=lambda word: (len(self._by_word.get(word, ())), word))
        for word in words:
            others = [
                i
                for i in self._by_word.get(word, ())
                if self._pairs[i].instruction != pair.instruction
            ]
            if others:
                return self._pairs[self._random.choice(others)].instruction
        return self._random.choice(self._pairs).instruction

    def borrowed_words_negative(self, pair: Pair) -> str:
        """Draw a random request, with its rare words replaced by words of this response.

        A weak model writes such requests for a passage.
        """
        words = [word for word in _WORD.findall(pair.response) if self._is_rare(word.lower())]

        def borrowed(match: re.Match[str]) -> str:
            return (
                self._random.choice(words)
                if words and self._is_rare(match[0].lower())
                else match[0]
            )

        return _WORD.sub(borrowed, self._random.choice(self._pairs).instruction)

    def _with_closing(self, pair: Pair) -> Pair:
        return _respond(pair, f"{pair.response} {self._random.choice(_CLOSINGS)}")

    def _without_last_sentence(self, pair: Pair) -> Pair:
        sentences = _SENTENCE_END.split(pair.response)
        return (
            _respond(pair, " ".join(sentences[:-1]))
            if len(sentences) > 2
            else self._with_closing(pair)
        )

    def _with_opening(self, pair: Pair) -> Pair:
        return _respond(pair, f"{self._random.choice(_OPENINGS)} {pair.response}")

    def _with_opening_and_closing(self, pair: Pair) -> Pair:
        return self._with_opening(self._with_closing(pair))

    def _cut_short(self, pair: Pair) -> Pair:
        words = pair.response.split(" ")
        return _respond(
            pair, " ".join(words[: max(1, int(len(words) * self._random.uniform(0.2, 0.5)))])
        )

    def _with_lexical_negative(self, pair: Pair) -> Pair:
        return replace(pair, instruction=self.lexical_negative(pair))

    def _with_random_negative(self, pair: Pair) -> Pair:
        return replace(pair, instruction=self._random.choice(self._pairs).instruction)

    def _with_borrowed_words(self, pair: Pair) -> Pair:
        return replace(pair, instruction=self.borrowed_words_negative(pair))

    def _is_rare(self, word: str) -> bool:
        return len(self._by_word.get(word, ())) <= max(1, len(self._pairs) // _RARE)

    def _navigation(self, pair: Pair) -> Pair:
        return _respond(pair, " ".join(self._random.sample(_NAVIGATION, 3)))


def _respond(pair: Pair, response: str) -> Pair:
    return replace(pair, response=response)
