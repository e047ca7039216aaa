"""Short answers: a name, a place, a date, a word."""

from agents.answers.plain_text import plain
from agents.answers.stated import stated
from agents.passages.sentences import sentences
from models.evaluation.words import count_words, words

_LONGEST = 6
"""Words of a short answer."""
_LITTLE = frozenset(
    "a an the is are was were be been being am do does did has have had of in on at to for from by "
    "with as and or that this these those it its he she they his her their there which who whom "
    "whose when where what why how also called known named named".split()
)
"""Words that say nothing, dropped from an answer as the evaluation of SQuAD drops articles."""


def span_in(text: str, question: str) -> str | None:
    """The short answer of a text in one spelling; None where it gives none.

    What it states as its answer, else what its first sentence says beyond the question: of "The
    capital of France is Paris." to "What is the capital of France?", ``paris``.
    """
    answer = stated(text)
    if answer is not None:
        return _spelled(answer, frozenset())
    found = sentences(plain(text))
    if not found:
        return None
    if count_words(found[0]) <= _LONGEST:
        return _spelled(found[0], frozenset(words(question))) or _spelled(found[0], frozenset())
    return _spelled(found[0], frozenset(words(question)))


def _spelled(answer: str, asked: frozenset[str]) -> str | None:
    said = [word for word in words(answer) if word not in _LITTLE and word not in asked]
    return " ".join(said) if 0 < len(said) <= _LONGEST else None
