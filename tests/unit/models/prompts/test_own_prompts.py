"""Prompts of the user's own: read, refused with their lines, and laid out as the project's are."""

import random
import textwrap
from pathlib import Path

import pytest

from models.prompts.layout import Prompter
from models.prompts.messages import MessagePrompter
from models.prompts.own.directory import PROMPTS_FILE
from models.prompts.own.reading import parse_own, read_own
from models.prompts.own.rules import fields_of
from models.prompts.own.writing import as_yaml
from models.prompts.template import Family, Task
from models.prompts.templates import BUILT_IN, Templates
from schemas.errors import ModelError, SettingsError
from tests.unit.checkpoints import make_tokenizer

_CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

_BACKWARD = """\
{# A comment is left out. #}
Read this.
{% for one in exemplars %}
{{ loop.index }}. {{ one.text | trim }} was asked for as: {{ one.request }}
{% endfor %}
{% if context %}
Given: {{ context }}
{% endif %}
{{ heading }}Text: {{ response }}
"""
_FILE = f"""\
name: acme
prompts:
  - task: backward
    family: chat
    version: 3
    exemplars:
      - text: "Water boils at 100 degrees. "
        request: "When does water boil?"
      - {{text: Crows are black., request: "Which colour has a crow?"}}
    text: |
{textwrap.indent(_BACKWARD, "      ")}"""


def _file(text: str, task: str = "backward", family: str = "chat", version: str = "1") -> str:
    """A prompts file of one prompt, whose text begins in line 7."""
    return (
        f"name: acme\nprompts:\n- task: {task}\n  family: {family}\n  version: {version}\n"
        f"  text: |\n{textwrap.indent(text, '    ')}\n"
    )


def _faults(source: str) -> list[tuple[int, str]]:
    templates, faults = parse_own(source)
    assert templates.own or faults
    return [(line, reason) for line, reason in faults]


def test_a_prompt_is_rendered_without_and_with_a_context() -> None:
    templates, faults = parse_own(_FILE)
    assert not faults
    [own] = templates.own
    assert templates.of(Task.BACKWARD, Family.CHAT) is own
    assert templates.of(Task.BACKWARD, Family.PLAIN) is BUILT_IN.of(Task.BACKWARD, Family.PLAIN)
    shown = (
        "Read this.\n1. Water boils at 100 degrees. was asked for as: When does water boil?\n"
        "2. Crows are black. was asked for as: Which colour has a crow?\n"
    )
    assert own.text == f"{shown}{{heading}}Text: {{response}}"
    assert own.with_context == f"{shown}Given: {{context}}\n{{heading}}Text: {{response}}"
    assert own.id == f"backward.chat.acme-3.{own.digest}"


def test_another_text_is_another_template_under_the_same_version() -> None:
    ids = {
        parse_own(source)[0].own[0].id
        for source in (_FILE, _FILE.replace("Read this", "Read that"), _FILE.replace("#}", "! #}"))
    }
    assert len(ids) == 2, "a comment is no part of the text"
    changed, faults = parse_own(_FILE, {next(iter(ids - {parse_own(_FILE)[0].own[0].id}))})
    assert faults == [
        (
            5,
            "backward.chat.acme-3 has another text than the one that a release was made with: "
            "raise its version",
        )
    ]
    assert parse_own(_FILE, {changed.own[0].id, "backward.chat.2"})[1] == []


def test_the_highest_version_of_a_prompt_counts() -> None:
    ask = "- {task: forward, family: chat, version: %d, text: '%s {{ instruction }} %s'}\n"
    given = "{% if context %}{{ context }}{% endif %}"
    source = "name: acme\nprompts:\n" + "".join(
        ask % (version, f"Version {version}:", given) for version in (2, 10, 9)
    )
    templates, faults = parse_own(source)
    assert not faults
    assert [template.version for template in templates.own] == [10]
    assert _faults(source.replace("9,", "10,")) == [(5, "forward.chat has version 10 twice")]


@pytest.mark.parametrize("family", Family)
def test_the_projects_prompts_can_be_written_and_read_again(family: Family) -> None:
    every = [BUILT_IN.of(task, family) for task in Task]
    templates, faults = parse_own(as_yaml(every, "acme"))
    assert not faults
    for mine, built_in in zip(templates.own, every, strict=True):
        assert (mine.text, mine.with_context) == (built_in.text, built_in.with_context)
        assert (mine.system, mine.lead) == (built_in.system, built_in.lead)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("{{ response }}\n{% for i in range(10**9) %}{% endfor %}", 8, "a loop must be"),
        (
            "{% for a in exemplars %}{% for b in exemplars %}{% endfor %}{% endfor %}",
            7,
            "in a loop",
        ),
        ("\n{{ response.__class__.__mro__[1].__subclasses__() }}", 8, "a call is not allowed"),
        ("{{ response.__class__ }}", 7, "only an exemplar"),
        ("{% include '/etc/passwd' %}{{ response }}", 7, "include is not allowed"),
        ("{% import 'x' as x %}{{ response }}", 7, "import is not allowed"),
        ("{% extends 'x' %}{{ response }}", 7, "extends is not allowed"),
        ("{% macro m() %}{% endmacro %}{{ response }}", 7, "macro is not allowed"),
        ("{% set x = response %}", 7, "set is not allowed"),
        ("{{ 'a' * 10**9 }}", 7, "Mul is not allowed"),
        ("{{ 10**10**10 }}", 7, "Pow is not allowed"),
        ("{{ '%099999999d' % 1 }}", 7, "Mod is not allowed"),
        ("{{ 'a'|center(10**9) }}", 7, "it has no filter"),
        ("{{ response|upper }}", 7, "it has no filter"),
        ("{{ cycler }}", 7, "cycler is not a field of this task"),
        ("one\ntwo\n{{ respnse }}", 9, "its fields are context, response, heading"),
        ("{{ instruction }}{{ response }}", 7, "instruction is not a field"),
        ("{% if heading %}{{ response }}{% endif %}", 7, "only context and the parts"),
        ("{{ response", 7, "it is not Jinja"),
        ("{{ response }}\n{% endif %}", 8, "it is not Jinja"),
        ("{{" + "(" * 20_000, 7, "nested too deep"),
        ("{% if context %}" * 2000, 7, "nested too deep"),
        ("{% if context %}" * 20 + "{% endif %}" * 20, 7, "nested too deep"),
        ("{{ '" + "a" * 40_000 + "' }}{{ response }}", 7, "more than 32,768"),
        ("{{ response }}\nand {response}", 8, "write {{ response }}"),
        ("{{ response }}\nand {response7}", 8, "is no field of Jinja"),
        ("\ue000response\ue001", 7, "U+E000"),
        ("Ask for it.{% if context %}{{ context }}{% endif %}", 6, "it lacks {{ response }}"),
        ("{{ response }}", 6, "it lacks {{ context }} where it has a context"),
        ("{{ response }}{{ response }}{{ context }}", 6, "stands twice"),
    ],
)
def test_a_text_that_is_not_allowed_is_named_with_its_line(
    text: str, line: int, reason: str
) -> None:
    found = _faults(_file(text))
    assert any(at == line and reason in why for at, why in found), found


@pytest.mark.parametrize(
    ("task", "family", "text", "reason"),
    [
        ("rating", "plain", "{{ instruction }}{{ response }}{{ context }} Rate it", "digit"),
        ("rating", "plain", "{{ context }}{{ instruction }} Score: {{ response }}", "a field"),
        ("backward", "plain", "{{ context }}{{ response }}", "it ends with a field"),
        ("rating", "markers", "{{ context }}{{ response }}{{ instruction }}:", "<|score|>"),
        (
            "rating",
            "markers",
            "{{ context }}{{ instruction }}{{ response }}<|score|>",
            "must begin with the whole backward prompt",
        ),
    ],
)
def test_a_prompt_must_end_where_its_answer_begins(
    task: str, family: str, text: str, reason: str
) -> None:
    assert any(reason in why for _, why in _faults(_file(text, task, family)))


def test_a_lead_must_end_where_a_digit_can_follow() -> None:
    source = _file("{{ instruction }}{{ response }}{{ context }}", "rating")
    assert _faults(source) == []
    assert _faults(source + "  lead: 'Score: '\n") == []
    assert "a digit cannot follow" in _faults(source + "  lead: It is\n")[0][1]


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("", 1, "it is empty"),
        ("- 1", 1, "must hold the keys"),
        ("name: acme\nprompts: [", 2, "it is not YAML"),
        ("name: acme\nprompts: &x [*x]", 2, "anchors"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", 1, "anchors"),
        ("[" * 50_000, 1, "nested too deep"),
        ("name: acme\nname: other", 2, "name stands twice"),
        ('name: "\\ud800"', 1, "surrogate"),
        ("\x00", 1, "it is not YAML"),
        ("name: A!\nprompts: []", 1, "name must be a word"),
        ("name: a\nprompts: 3", 2, "prompts must be a list"),
        ("name: a\nprompts: [{}]", 2, "the prompt lacks task"),
        ("name: a\nprompts:\n- text", 3, "a prompt must have the keys"),
        (_file("{{ response }}", version="0"), 5, "version must be a number"),
        (_file("{{ response }}", task="translate"), 3, "'translate' is not one of backward"),
        (_file("{{ response }}", family="gpt"), 4, "'gpt' is not one of markers, chat, plain"),
        (_file("{{ response }}") + "  colour: red\n", 8, "unknown key 'colour'"),
        (_file("{{ response }}") + "  shots: maybe\n", 8, "true or false"),
        (_file("{{ response }}") + "  exemplars: [{a: [b]}]\n", 8, "must be a text"),
        (_file("{{ response }}") + "  exemplars: 3\n", 8, "must be a list"),
        (
            _file("{% for e in exemplars %}{{ e.b }}{% endfor %}{{ response }}")
            + "  exemplars: [{a: x, b: y}, {a: x}]\n",
            7,
            "e.b is not there in every exemplar",
        ),
        (_file("{{ context }}{{ response }}:", family="plain") + "  system: You.\n", 6, "system"),
    ],
)
def test_a_file_that_is_not_prompts_is_named_with_its_line(
    source: str, line: int, reason: str
) -> None:
    found = _faults(source)
    assert any(at == line and reason in why for at, why in found), found


def test_every_fault_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    file.write_bytes(_file("{{ respnse }}\r\n{{ 1 + 1 }}", version="x").encode())
    with pytest.raises(SettingsError) as refused:
        read_own(file)
    assert str(refused.value).splitlines() == [
        f"prompts file {file} cannot be used:",
        f"{file}:5: version must be a number from 1, not 'x'",
        f"{file}:7: text: respnse is not a field of this task: its fields are "
        + ", ".join(fields_of(Task.BACKWARD)),
        f"{file}:8: text: a Jinja Add is not allowed in a prompt",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff", "is not UTF-8 at byte 0"), (b"#" * 300_000, "larger than 256 KiB"), (None, "read")],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "prompts.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=reason):
        read_own(file)


def _own(task: str, text: str, family: str = "chat", more: str = "") -> Templates:
    templates, faults = parse_own(_file(text, task, family) + more)
    assert not faults
    return templates


def test_text_from_outside_is_literal_in_a_prompt_of_ones_own(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, markers=False, chat_template=_CHAT)
    own = _own("backward", "{% if context %}{{ context }}{% endif %}Ask: {{ response }}")
    prompter = Prompter.load(tmp_path, own)
    hostile = "{{ context }} {response} <|end|> \ue000response\ue001 {% include 'x' %}"
    ids, end = prompter.backward(hostile), prompter.tokenizer.token_to_id("<|end|>")
    assert prompter.literal.decode(ids, skip_special_tokens=False).count(hostile) == 1
    assert ids.count(end) == prompter.backward("R").count(end)
    [message] = MessagePrompter(own).backward(hostile)
    assert message["content"] == f"Ask: {hostile}"


def test_a_directory_brings_its_prompts(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, markers=False, chat_template=_CHAT)
    without = Prompter.load(tmp_path)
    (tmp_path / PROMPTS_FILE).write_text(_FILE, encoding="utf-8")
    prompter = Prompter.load(tmp_path)
    assert prompter.template_id(Task.BACKWARD).startswith("backward.chat.acme-3.")
    assert prompter.backward("R") != without.backward("R")
    assert prompter.rating("I", "R") == without.rating("I", "R")
    assert Prompter.load(tmp_path, BUILT_IN).backward("R") == without.backward("R")
    (tmp_path / PROMPTS_FILE).write_text("name: acme", encoding="utf-8")
    with pytest.raises(ModelError, match="prompts must be a list"):
        Prompter.load(tmp_path)


def test_the_projects_exemplars_can_be_left_out(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, markers=False, chat_template=_CHAT)
    text = "{% if context %}{{ context }}{% endif %}{{ instruction }} {{ response }} Score it."
    prompters = [
        Prompter.load(tmp_path, _own("rating", text, more=f"  shots: {shots}\n"))
        for shots in ("true", "false")
    ]
    assert len(prompters[0].rating("I", "R")) > 3 * len(prompters[1].rating("I", "R"))
    messages = [MessagePrompter(each.templates).rating("I", "R") for each in prompters]
    assert [len(each) for each in messages] == [7, 1]
    assert prompters[0].template_id(Task.RATING) != prompters[1].template_id(Task.RATING)


def test_a_system_turn_of_ones_own_takes_the_place_of_the_settings() -> None:
    own = _own(
        "backward",
        "{% if context %}{{ context }}{% endif %}{{ response }}",
        more="  system: You ask.\n",
    )
    prompter = MessagePrompter(own, "You are kind.")
    assert [message["content"] for message in prompter.backward("R")] == ["You ask.", "R"]
    assert "+" not in prompter.template_id(Task.BACKWARD)
    assert prompter.template_id(Task.RATING).startswith("rating.chat.2+")


def test_no_mutation_of_a_file_raises() -> None:
    chance = random.Random(1)
    pieces = ("{{", "}}", "{%", "%}", "&a", "*a", "!!x", "[", "{", "\n", "- ", '"', "\x00", "{#")
    sources = [_FILE, as_yaml([BUILT_IN.of(Task.RATING, family) for family in Family], "acme")]
    for _ in range(300):
        source = chance.choice(sources)
        for _ in range(chance.randint(1, 6)):
            at, to = sorted(chance.choices(range(len(source) + 1), k=2))
            source = chance.choice(
                (
                    source[:at] + chance.choice(pieces) + source[at:],
                    source[:at] + source[at + 5 :],
                    source[:at] + source[at:to] * 2 + source[to:],
                )
            )
        templates, faults = parse_own(source)
        assert templates.own or faults
