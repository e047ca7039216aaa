"""The final answer of a text, by the rule of its form."""

from agents.answers.choices import choice_in
from agents.answers.form import Form
from agents.answers.forms import AnswerForm
from agents.answers.numbers import number_in
from agents.answers.spans import span_in
from agents.answers.yes_no import yes_or_no_in


def final_answer(text: str, asked: AnswerForm) -> str | None:
    """The final answer in one spelling, so that equal answers are equal strings.

    None where the text gives none, or where the form has none.
    """
    match asked.form:
        case Form.NUMBER:
            return number_in(text)
        case Form.CHOICE:
            return choice_in(text, asked.options)
        case Form.YES_NO:
            return yes_or_no_in(text)
        case Form.SPAN:
            return span_in(text, asked.question)
        case Form.TEXT:
            return None
