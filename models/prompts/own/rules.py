"""What a prompt of the user's own must have, as the project's templates of the task have it."""

import re
from collections.abc import Iterator

from models.prompts.own.jinja_text import CONTEXT
from models.prompts.template import FIELDS, Family, Task, Template
from models.prompts.templates import BUILT_IN, Templates

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")
_BEFORE_DIGIT = re.compile(r"[:=>#(\[\-\n]\s*\Z")
"""What a rating prompt ends with, so that a digit is what follows."""
_SCORE_MARKER = "<|score|>"


def fields_of(task: Task) -> tuple[str, ...]:
    """The fields that a prompt of a task may have."""
    used = {name for each in _built_in(task) for name in _names(each.system, each.with_context)}
    return tuple(name for name in FIELDS if name in used)


def faults_of(template: Template) -> Iterator[str]:
    """Yield what is wrong with a template of the user's own."""
    built_in = _built_in(template.task)
    needed = set.intersection(*({*_names(each.text)} for each in built_in))
    yield from _field_faults(template, template.text, needed, "")
    if template.with_context != template.text or CONTEXT in fields_of(template.task):
        needed = set.intersection(*({*_names(each.with_context)} for each in built_in))
        yield from _field_faults(template, template.with_context, needed, " where it has a context")
    if template.system and template.family is not Family.CHAT:
        yield f"a prompt of the {template.family} family has no system turn: put it into text"
    if template.family is not Family.CHAT:
        yield from _ending_faults(template)
    if template.task is Task.RATING:
        yield from _rating_faults(template)


def faults_between(templates: Templates) -> Iterator[tuple[Template, str]]:
    """Yield each template of the user's that another one does not fit, and why."""
    backward, rating = (templates.of(task, Family.MARKERS) for task in (Task.BACKWARD, Task.RATING))
    continues = rating.text.startswith(backward.text) and rating.with_context.startswith(
        backward.with_context
    )
    if not continues and (changed := next((t for t in (rating, backward) if t.set), None)):
        yield (
            changed,
            "the rating prompt of the markers family must begin with the whole backward prompt",
        )


def _field_faults(template: Template, text: str, needed: set[str], where: str) -> Iterator[str]:
    names = [*_names(template.system), *_names(text)]
    for name in FIELDS:
        if name in needed and name not in _names(text):
            yield f"it lacks {{{{ {name} }}}}{where}"
        elif names.count(name) > 1:
            yield f"{{{{ {name} }}}} stands twice{where}"


def _ending_faults(template: Template) -> Iterator[str]:
    """A model goes on with the text: where a field is last, with the field."""
    if template.family is Family.MARKERS and template.task in (Task.INPUT, Task.LABELLED_INPUT):
        return  # it goes on with a marker, which says that the task needs no input
    for text in (template.text, template.with_context):
        if not _PLACEHOLDER.split(text)[-1].strip():
            yield "it ends with a field: end it with what stands before the answer, as a heading"
            return


def _rating_faults(template: Template) -> Iterator[str]:
    if template.family is Family.CHAT:
        if template.lead and not _BEFORE_DIGIT.search(template.lead):
            yield f"a digit cannot follow lead: end it with a colon, as in {'Score: '!r}"
        return
    for text in (template.text, template.with_context):
        if template.family is Family.MARKERS:
            if not text.endswith(_SCORE_MARKER):
                yield f"a rating prompt of the markers family must end with {_SCORE_MARKER}"
                return
        elif not _BEFORE_DIGIT.search(text):
            yield "it does not end where a digit can follow: end it, or lead, with 'Score: '"
            return


def _built_in(task: Task) -> list[Template]:
    return [BUILT_IN.of(task, family) for family in Family]


def _names(*texts: str) -> list[str]:
    return [name for text in texts for name in _PLACEHOLDER.findall(text)]
