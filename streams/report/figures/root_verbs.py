"""The root verb of an instruction and its object, by a rule for English.

Self-Instruct (arXiv 2212.10560, figure 3) parses instructions with the Berkeley parser and shows
the root verbs with their direct noun objects. This rule needs no parser and no model: requests are
imperatives with the verb first, or questions with the question word first. docs/report.md has its
accuracy.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agents.passages.language import language_of
from streams.report.figures.english_verbs import (
    AUXILIARIES,
    DETERMINERS,
    ENDS,
    MODIFIERS,
    NUMBERS,
    POLITE,
    PREPOSITIONS,
    PRONOUNS,
    QUESTION_WORDS,
    VERBS,
)

_READ = 400
"""Characters that are looked at."""
_TOKEN = re.compile(r"[^\W\d_](?:[\w'’+#-]*\w)?|\d[\w.,%-]*|[,;:.!?()\n\"“”]")
_SENTENCE_END = frozenset(".!?\n")
_PAUSES = _SENTENCE_END | frozenset(",;:()")
_QUOTES = frozenset('"“”')
_SPELLINGS = {
    "whats": "what", "what's": "what", "wheres": "where", "where's": "where", "who's": "who",
    "whos": "who", "how's": "how", "hows": "how", "when's": "when", "why's": "why",
}  # fmt: skip
_ASKING = (
    ("can", "you"), ("could", "you"), ("would", "you"), ("will", "you"), ("can", "u"),
    ("i", "want", "you", "to"), ("i", "would", "like", "you", "to"), ("i'd", "like", "you", "to"),
    ("i", "need", "you", "to"), ("your", "task", "is", "to"), ("you", "are", "asked", "to"),
    ("you", "have", "to"), ("you", "need", "to"), ("you", "should"), ("you", "must"),
    ("help", "me", "to"), ("help", "me"), ("help", "us"), ("try", "to"), ("let's",), ("let", "us"),
    ("i", "want", "to"), ("i", "need", "to"), ("i", "would", "like", "to"), ("i'd", "like", "to"),
    ("go", "ahead", "and"), ("think", "of"), ("come", "up", "with"), ("do", "you", "know"),
    ("can", "i", "know"),
)  # fmt: skip
_KEPT = {("think", "of"): "think", ("come", "up", "with"): "come"}
"""Of these, the verb is the root."""
_RELATIVE = frozenset(("which", "who", "whom", "whose", "where", "when"))
"""After a pause, these ask only before an auxiliary."""
_SENTENCES = 3
"""Sentences that are looked at."""
_CLAUSES = 3
"""Parts of a sentence, between commas, at the beginning of which a root is looked for."""
_PHRASE = 7
"""Words of a noun phrase that are looked at."""


class RootVerb(NamedTuple):
    """The root of an instruction, in lower case. ``object`` is empty where none was found."""

    word: str
    object: str
    question: bool
    """Whether ``word`` is the word that begins a question, such as "what" or "is"."""


def is_english(instruction: str, language: str) -> bool:
    """Whether the rule is for an instruction; ``language`` is that of its example, or empty."""
    told = language_of(instruction)
    return told == "en" or (told is None and language in ("", "en"))


def root_verb(instruction: str) -> RootVerb | None:
    """The root of an English instruction; None where the rule finds none.

    Looks at the beginnings of the first sentences and of their parts, in this order. An imperative
    or a question there is the root.
    """
    tokens = [
        token.replace("’", "'")
        for token in _TOKEN.findall(instruction[:_READ].lower())
        if token not in _QUOTES
    ]
    for sentence in _sentences(tokens)[:_SENTENCES]:
        for number, clause in enumerate(_clauses(sentence)[:_CLAUSES]):
            if found := _root_at(clause, inner=number > 0):
                return found
    return None


def first_word(instruction: str) -> str:
    """The first word of an instruction in any language, in lower case; empty where it has none."""
    found = re.search(r"\w+", instruction[:_READ].lower())
    return found[0] if found else ""


def _sentences(tokens: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for token in tokens:
        if token in _SENTENCE_END:
            if found[-1]:
                found.append([])
        else:
            found[-1].append(token)
    return [sentence for sentence in found if sentence]


def _clauses(sentence: Sequence[str]) -> list[Sequence[str]]:
    """The sentence from its beginning, and from each pause on."""
    starts = [0, *(place + 1 for place, token in enumerate(sentence) if token in _PAUSES)]
    return [sentence[start:] for start in starts if start < len(sentence)]


def _root_at(clause: Sequence[str], *, inner: bool) -> RootVerb | None:
    """The root that a part of a sentence begins with; ``inner``: the part follows a pause."""
    words = _without_politeness(clause)
    if not words:
        return None
    first = _SPELLINGS.get(words[0], words[0])
    for asking, verb in _KEPT.items():
        if tuple(words[: len(asking)]) == asking:
            return RootVerb(verb, _object(words[len(asking) :]), question=False)
    if first in VERBS and not _is_noun_here(words):
        if first == "do" and len(words) > 1 and words[1] in PRONOUNS | DETERMINERS:
            return RootVerb("do", "", question=True)
        return RootVerb(first, _object(words[1:]), question=False)
    if first in QUESTION_WORDS:
        if inner and first in _RELATIVE and not _asks(words, 0):
            return None
        return RootVerb(first, _asked_about(first, words[1:], words[0] != first), question=True)
    if first in AUXILIARIES:
        return RootVerb(first, "", question=True)
    if first in PREPOSITIONS:
        return _inside(words)
    return None


def _without_politeness(clause: Sequence[str]) -> Sequence[str]:
    words = list(clause)
    while words:
        if words[0] in POLITE or words[0] in _PAUSES or words[0][0].isdigit():
            words = words[1:]
            continue
        asking = next(
            (
                one
                for one in _ASKING
                if one not in _KEPT and tuple(words[: len(one)]) == one and len(words) > len(one)
            ),
            None,
        )
        if asking is None:
            return words
        words = words[len(asking) :]
    return words


def _is_noun_here(words: Sequence[str]) -> bool:
    """Whether a word that can be a verb is a noun, as in "Report of the year"."""
    return len(words) > 1 and words[1] in ("of", "is", "are", "was", "were", "has", "have", "'s")


def _inside(words: Sequence[str]) -> RootVerb | None:
    """The root of "In which year did ..." and of "Given a text who ...", without a comma."""
    for place, word in enumerate(words[1:], 1):
        if word in _PAUSES:
            return None
        if word in VERBS and tuple(words[place + 1 : place + 2]) in (("me",), ("us",)):
            return RootVerb(word, _object(words[place + 1 :]), question=False)
        if word in QUESTION_WORDS and (place == 1 or _asks(words, place)):
            return RootVerb(word, _asked_about(word, words[place + 1 :], False), question=True)
    return None


def _asks(words: Sequence[str], place: int) -> bool:
    """Whether a question begins at a question word in the middle."""
    after = words[place + 1 : place + 2]
    return bool(after) and after[0] in AUXILIARIES


def _object(words: Sequence[str]) -> str:
    """The head of the noun phrase after a verb; the question word of a clause, as in "how"."""
    place = 0
    while place < len(words) and words[place] in PRONOUNS | {"out", "up", "down", "to"}:
        place += 1
    if place < len(words) and words[place] in QUESTION_WORDS | {"if", "whether"}:
        return words[place]
    if place < len(words) and words[place] in ("about", "for", "on", "from", "into", "between"):
        place += 1
    return _head(words[place:])


def _asked_about(word: str, words: Sequence[str], contracted: bool) -> str:
    """What a question is about: "what is the capital" asks about the capital.

    Of "how", it is what is counted, what is done ("how do I install"), or an adjective. "Why",
    "when" and "where" have none: their subject cannot be told from their verb by position.
    """
    if word in ("why", "when", "where") or not words:
        return ""
    asks = contracted or words[0] in AUXILIARIES
    if word == "how":
        return _asked_how(words)
    if word in ("who", "whom") and not asks:
        return ""
    return _head(words[1:] if asks and not contracted else words)


def _asked_how(words: Sequence[str]) -> str:
    if words[0] in ("many", "much"):
        counted = _phrase(words[1:])
        plural = next((one for one in counted if one.endswith("s")), "".join(counted[:1]))
        return _singular(plural)
    if words[0] == "to":
        return words[1] if len(words) > 1 and words[1] not in _PAUSES else ""
    if words[0] in AUXILIARIES:
        done = words[2:3] if len(words) > 1 and words[1] in PRONOUNS else ()
        return done[0] if done and done[0] not in _PAUSES else ""
    return words[0] if words[0] not in _PAUSES else ""


def _head(words: Sequence[str]) -> str:
    """The last word of a noun phrase, in the singular."""
    phrase = _phrase(words)
    return _singular(phrase[-1].removesuffix("'s")) if phrase else ""


def _phrase(words: Sequence[str]) -> list[str]:
    """A noun phrase without determiners; "some of the" is one too."""
    phrase: list[str] = []
    for place, word in enumerate(words):
        if word in DETERMINERS | NUMBERS or word[0].isdigit():
            if phrase:
                break
            continue
        if word == "of" and place and not phrase:
            continue
        if word in _PAUSES or word in ENDS or word in PRONOUNS or len(phrase) == _PHRASE:
            break
        phrase.append(word)
    while phrase and (phrase[-1] in MODIFIERS or phrase[-1].endswith("ly")):
        phrase.pop()
    return phrase


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies") and word not in _UNCHANGED:
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "ics")):
        return word if word in _UNCHANGED else word[:-1]
    return word


_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child",
    "countries": "country", "movies": "movie", "cookies": "cookie", "lives": "life",
    "analyses": "analysis", "theses": "thesis", "leaves": "leaf", "mice": "mouse",
}  # fmt: skip
_UNCHANGED = frozenset("series species news lens gas pros cons always perhaps texas".split())
