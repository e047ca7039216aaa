"""The registry of prompt templates: complete, and unchanged under an old version."""

import hashlib
import itertools
import re

import pytest

from models.prompts.history import TURNS
from models.prompts.template import (
    AUGMENTED_TAG,
    BOTH_TAGS,
    MARKERS,
    SEED_TAG,
    Family,
    Task,
    Template,
)
from models.prompts.templates import BUILT_IN

_EVERY = [BUILT_IN.of(task, family) for task, family in itertools.product(Task, Family)]
_SLOT = re.compile(r"\{(\w+)\}")
_SLOTS = {
    Task.BACKWARD: {"response"},
    Task.RATING: {"instruction", "response"},
    Task.FORWARD: {"instruction", "tag"},
    Task.REWRITING: {"instruction", "response", "tag"},
    Task.STEPS: {"instruction", "tag"},
    Task.EXEMPLARS: {"instruction", "tag"},
    Task.STEPS_EXEMPLARS: {"instruction", "tag"},
    Task.INVENTION: {"tasks", "number"},
    Task.KIND: {"instruction"},
    Task.INPUT: {"instruction"},
    Task.LABELS: {"instruction"},
    Task.LABELLED_INPUT: {"instruction", "label"},
}
_INVENTING = (Task.INVENTION, Task.KIND, Task.INPUT, Task.LABELS, Task.LABELLED_INPUT)
"""Tasks of the inventor, which have no context; their markers take no exemplars and no label."""
_PINNED = {
    "backward.markers.1": "ac4607e25d29cd85",
    "backward.chat.2": "fb8a297aecdfbc20",
    "backward.plain.2": "f3ae255dcf2d234f",
    "forward.markers.1": "adb677088bb09bef",
    "forward.chat.1": "7c1b16e92b94c4f6",
    "forward.plain.2": "b4ab9aa1294687d9",
    "rating.markers.1": "f3b68a85cd24d49a",
    "rating.chat.2": "61a3f87f082e4f60",
    "rating.plain.2": "2ced46beb5709e99",
    "steps.markers.1": "dfce7e3f3d76a387",
    "steps.chat.1": "888f4b48e141bb5a",
    "steps.plain.1": "4c49d7e822a53727",
    "exemplars.markers.1": "b29117fd72322105",
    "exemplars.chat.1": "c1f9fdd1dcb4b3de",
    "exemplars.plain.1": "bf323f3c3a5e2b65",
    "steps_exemplars.markers.1": "fd6b6d0d0baafa65",
    "steps_exemplars.chat.1": "0d3d7c2a2ba3cc4b",
    "steps_exemplars.plain.1": "4e8ea10f2ad63e71",
    "rewriting.markers.1": "8316cdd6192cef79",
    "rewriting.chat.1": "b24877bca4b661bf",
    "rewriting.plain.1": "9e5aa4b719820a8e",
    "invention.markers.1": "cf7e5c11da136278",
    "invention.chat.1": "1f1bbed48565609e",
    "invention.plain.1": "1314877a75af7b9c",
    "kind.markers.1": "115ad08d9e352e1b",
    "kind.chat.1": "50f07b73c21b30d6",
    "kind.plain.1": "0b386a3d970b9bf9",
    "input.markers.1": "19708bde1274fb26",
    "input.chat.1": "59a7a44a54279a0f",
    "input.plain.1": "bb4a70249f86bef0",
    "labels.markers.1": "115ad08d9e352e1b",
    "labels.chat.1": "59998c5b5f4adf42",
    "labels.plain.1": "f88067ecbadb23f6",
    "labelled_input.markers.1": "19708bde1274fb26",
    "labelled_input.chat.1": "a44519f5df1f46d7",
    "labelled_input.plain.1": "68b19f27ae9a8d2a",
}


def _texts(template: Template) -> tuple[str, str]:
    return template.text, template.with_context


def _digest(template: Template) -> str:
    # Without earlier turns, as of most examples: their prompts are those without their slot.
    parts = (part.replace(TURNS, "") for part in (template.system, *_texts(template)))
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def test_every_task_of_every_family_has_one_template() -> None:
    assert len({template.id for template in _EVERY}) == len(_EVERY) == len(Task) * len(Family)
    for (task, family), template in zip(itertools.product(Task, Family), _EVERY, strict=True):
        assert (template.task, template.family) == (task, family)
        assert template.id == f"{task}.{family}.{template.version}"


@pytest.mark.parametrize("template", _EVERY, ids=lambda template: template.id)
def test_a_changed_text_has_a_new_version(template: Template) -> None:
    # The version is part of an example's id, and a worker refuses a release with other templates.
    assert _PINNED.get(template.id) == _digest(template), (
        "raise the version, then pin the new text here"
    )


@pytest.mark.parametrize("template", _EVERY, ids=lambda template: template.id)
def test_a_template_has_its_placeholders_once_and_no_other(template: Template) -> None:
    slots = _SLOTS[template.task]
    if (template.task, template.family) == (Task.BACKWARD, Family.CHAT):
        slots = slots | {"heading", "turns"}
    if (template.task, template.family) == (Task.RATING, Family.CHAT):
        slots = slots | {"turns"}
    if (template.task, template.family) == (Task.REWRITING, Family.CHAT):
        slots = slots | {"heading"}
    if template.task in _INVENTING and template.family is Family.MARKERS:
        slots = (slots & {"instruction"}) | {"tag"}
    given = set() if template.task in _INVENTING else {"context"}
    lead = template.lead if template.task in _INVENTING else ""
    for text, placeholders in (
        (template.system + template.text + lead, slots),
        (template.system + template.with_context + lead, slots | given),
    ):
        found = _SLOT.findall(text)
        assert sorted(found) == sorted(placeholders)
        assert _SLOT.sub("", text).count("{") == 0


@pytest.mark.parametrize("template", _EVERY, ids=lambda template: template.id)
def test_a_context_chooses_the_text(template: Template) -> None:
    assert template.choose("given") == template.with_context
    assert (template.with_context == template.text) == (template.task in _INVENTING)
    assert template.choose(None) == template.choose("") == template.text


def test_markers_stand_in_their_family_alone() -> None:
    for template in _EVERY:
        used = {marker for marker in MARKERS if marker in template.with_context}
        assert bool(used) == (template.family is Family.MARKERS)
    rating, backward = (BUILT_IN.of(task, Family.MARKERS) for task in (Task.RATING, Task.BACKWARD))
    assert rating.text.startswith(backward.text), "so that the passage's keys and values serve both"
    assert rating.with_context.startswith(backward.with_context)


def test_the_tags_are_two_and_both() -> None:
    assert SEED_TAG != AUGMENTED_TAG
    assert f"{SEED_TAG} {AUGMENTED_TAG}" == BOTH_TAGS
