"""Answering: formats of prompts whose answers can be compared, beside the forward task's own.

LMSI (arXiv 2210.11610) answers directly and step by step, with and without worked examples. The
direct format without them is the forward task.
"""

from collections.abc import Iterable
from enum import StrEnum

from models.prompts.template import Family, Task, Template

_WORKED = (
    (
        "A baker has 24 rolls on 4 trays, the same number on each. He sells one tray and a half. "
        "How many rolls are left?",
        "Each tray has 24 / 4 = 6 rolls. One tray and a half are 6 + 3 = 9 rolls. 24 - 9 = 15 "
        "rolls are left.",
        "15",
    ),
    (
        "Is a whale a fish?",
        "A whale breathes air and feeds its calves with milk, so it is a mammal.",
        "no",
    ),
    (
        "Which of these is a metal?\nA) glass\nB) copper\nC) wood",
        "Glass is made of sand, and wood comes from trees. Copper is a metal.",
        "B) copper",
    ),
    (
        "Which planet comes after the Earth, counted from the sun?",
        "From the sun the planets are Mercury, Venus, the Earth, Mars and the others.",
        "Mars",
    ),
)
"""A question, the steps to its answer, and the answer: one for each form of final answers."""
_STEPS = 'Think step by step. End with one line: "The answer is" and the answer.'
_STEPS_MARKERS = "Think step by step."


class AnswerFormat(StrEnum):
    """How a question is put to the model."""

    DIRECT = "direct"
    STEPS = "steps"
    EXEMPLARS = "exemplars"
    STEPS_EXEMPLARS = "steps_exemplars"

    @property
    def task(self) -> Task:
        """The task whose template it is."""
        return _TASKS[self]


_TASKS = {
    AnswerFormat.DIRECT: Task.FORWARD,
    AnswerFormat.STEPS: Task.STEPS,
    AnswerFormat.EXEMPLARS: Task.EXEMPLARS,
    AnswerFormat.STEPS_EXEMPLARS: Task.STEPS_EXEMPLARS,
}


def _answers(steps: bool) -> Iterable[tuple[str, str]]:
    for question, reasons, answer in _WORKED:
        yield (
            question,
            f"{reasons} The answer is {answer}." if steps else f"The answer is {answer}.",
        )


def _markers(task: Task, shown: str, end: str) -> Template:
    asked = f"{{tag}}{shown}<|instruction|>{{instruction}}{end}"
    return Template(
        task,
        Family.MARKERS,
        1,
        f"{asked}<|response|>",
        f"{asked}<|context|>{{context}}<|response|>",
    )


def _chat(task: Task, shown: str, question: str, end: str) -> Template:
    asked = f"{shown}{question}{{instruction}}"
    return Template(
        task, Family.CHAT, 1, f"{asked}{end}", f"{asked}\n\n{{context}}{end}", system="{tag}"
    )


def _plain(task: Task, shown: str, heading: str) -> Template:
    asked = f"{{tag}}\n\n{shown}### Request:\n{{instruction}}\n\n"
    return Template(
        task,
        Family.PLAIN,
        1,
        f"{asked}### {heading}:\n",
        f"{asked}### Given:\n{{context}}\n\n### {heading}:\n",
    )


def _with_exemplars(task: Task, steps: bool) -> tuple[Template, ...]:
    answers = list(_answers(steps))
    heading = "Answer, step by step" if steps else "Answer"
    return (
        _markers(task, "".join(f"<|instruction|>{q}<|response|>{a}" for q, a in answers), ""),
        _chat(
            task,
            "".join(f"Question: {q}\nAnswer: {a}\n\n" for q, a in answers),
            "Question: ",
            "\nAnswer:",
        ),
        _plain(
            task,
            "".join(f"### Request:\n{q}\n\n### {heading}:\n{a}\n\n\n" for q, a in answers),
            heading,
        ),
    )


TEMPLATES = (
    _markers(Task.STEPS, "", f" {_STEPS_MARKERS}"),
    _chat(Task.STEPS, "", "", f"\n\n{_STEPS}"),
    _plain(Task.STEPS, "", "Answer, step by step"),
    *_with_exemplars(Task.EXEMPLARS, steps=False),
    *_with_exemplars(Task.STEPS_EXEMPLARS, steps=True),
)
