"""The form of a question's answer, told by its category and its words."""

import re
from dataclasses import dataclass, field

from agents.answers.choices import Options, options_of
from agents.answers.form import Form
from agents.answers.plain_text import plain
from models.evaluation.words import count_words
from schemas.categories import Category
from schemas.records import Question


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form, and what its rule needs of the question."""

    form: Form
    question: str = ""
    options: Options = field(default_factory=dict)
    """Those of a choice."""


_TEXTS = frozenset({Category.BRAINSTORMING, Category.CREATIVE_WRITING, Category.SUMMARIZATION})
"""Categories whose answers are texts, whatever the question looks like."""
_ASKS = r"(?:^|(?<=[.?!:;,\n])[^\S\n]*+)(?:(?:and|so|then|now|but)\s+)?"
_NUMBER = re.compile(
    r"\bhow\s+(?:many|much|old|tall|far|fast|heavy|high|deep|big)\b"
    r"|\bhow\s+long\s+(?:is|are|was|does|do|did|will|would)\b"
    r"|\bwhat\s+(?:percent(?:age)?|fraction|number|total|age|amount|temperature|speed)\b"
    r"|\bwhat\s+(?:is|was|are|will\s+be|would\s+be)\s+(?:the\s+)?(?:\w+\s+){0,2}"
    r"(?:sum|total|product|difference|quotient|average|mean|median|area|perimeter|volume|cost"
    r"|price|profit|remainder|square\s+root|value)\b"
    r"|^\W*(?:calculate|compute|evaluate|add|subtract|multiply|divide|solve\s+for)\b"
    r"|\d\s*[-+*/×÷x]\s*\d[\d\s.()+*/×÷x=-]*\s*=?\s*\??\s*$"
    r"|\bcuánt[oa]s?\b|\bcombien\b|\bwie\s*viele?\b|\bquant[oaie]s?\b|多少|几个|いくつ|몇|сколько",
    re.IGNORECASE,
)
_YES_NO_ASKED = re.compile(r"\byes\s+or\s+no\b|\btrue\s+or\s+false\b", re.IGNORECASE)
_YES_NO = re.compile(
    _ASKS + r"(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|should|may|might"
    r"|must|isn't|aren't|doesn't|don't|didn't|can't)\s+(?!you\b|we\b|i\b|u\b|not\s+you\b)[^.?!\n]*\?\s*$",
    re.IGNORECASE,
)
_SPAN = re.compile(
    r"^\W*(?:who|whom|whose|when|where|which)\b"
    r"|^\W*(?:in|on|at|from|by)\s+(?:what|which)\b"
    r"|^\W*what\s+(?:year|day|month|date|city|country|state|color|colour|language|animal|word|name"
    r"|team|film|movie|book|song|planet|element|currency|species|continent|river)\b"
    r"|^\W*what(?:'s|\s+is|\s+was|\s+are)\s+(?:the\s+)?(?:\w+\s+){0,2}"
    r"(?:name|capital|author|currency|symbol|opposite|antonym|synonym|nickname|president|nationality)\b"
    r"|^\W*name\s+(?:the|one|an?)\b",
    re.IGNORECASE,
)
_LONGEST_SPAN_QUESTION = 30
"""Words of a question that wants a few words as its answer."""
_LOOKED_AT = 2_000
"""Characters at each end of a long text that are looked at."""


def form_of(question: Question) -> AnswerForm:
    """The form of a question's answer, and what its rule needs."""
    asked = plain(_ends(question.instruction)).strip()

    def of(form: Form, options: Options | None = None) -> AnswerForm:
        return AnswerForm(form, question.instruction, options or {})

    if question.category in _TEXTS:
        return of(Form.TEXT)
    if _YES_NO_ASKED.search(asked):
        return of(Form.YES_NO)
    if options := options_of(_ends(question.instruction), _ends(question.context or "")):
        return of(Form.CHOICE, options)
    if _NUMBER.search(asked):
        return of(Form.NUMBER)
    if _YES_NO.search(asked) and " or " not in asked.lower():
        return of(Form.YES_NO)
    if _SPAN.search(asked) and count_words(asked) <= _LONGEST_SPAN_QUESTION:
        return of(Form.SPAN)
    return of(Form.TEXT)


def _ends(text: str) -> str:
    """A text without its middle, where it is long."""
    if len(text) <= 2 * _LOOKED_AT:
        return text
    return f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"
