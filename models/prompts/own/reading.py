"""Reads a prompts file."""

import re
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

from models.prompts.own.fault import Fault
from models.prompts.own.jinja_text import JinjaText
from models.prompts.own.rules import faults_between, faults_of, fields_of
from models.prompts.own.yaml_lines import Fields, Items, Node, Text, parse_yaml
from models.prompts.template import Family, Task, Template
from models.prompts.templates import Templates
from schemas.errors import SettingsError

_MOST_BYTES = 256 * 1024
_MOST_PROMPTS = 100
_MOST_EXEMPLARS = 64
_MOST_FAULTS = 20
"""Named at once."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_VERSION = re.compile(r"[1-9][0-9]{0,5}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,30}")
_KEYS = ("task", "family", "version", "text", "system", "lead", "shots", "exemplars")
_NEEDED = ("task", "family", "version", "text")
_Word = TypeVar("_Word", bound=StrEnum)


def read_own(file: Path, known: Collection[str] = ()) -> Templates:
    """Read a prompts file.

    ``known`` are ids of templates that releases were made with: the same version with another text
    is a fault. Raises SettingsError, which names everything that is wrong, with file and line.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"prompts file {file} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise SettingsError(f"prompts file {file} is larger than {_MOST_BYTES // 1024} KiB")
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"prompts file {file} is not UTF-8 at byte {error.start:,}") from error
    templates, faults = parse_own(source.replace("\r\n", "\n"), known)
    if faults:
        named = [f"{file}:{line}: {reason}" for line, reason in faults[:_MOST_FAULTS]]
        more = len(faults) - len(named)
        lines = [f"prompts file {file} cannot be used:", *named]
        raise SettingsError("\n".join(lines + ([f"and {more:,} more"] if more else [])))
    return templates


def parse_own(source: str, known: Collection[str] = ()) -> tuple[Templates, list[Fault]]:
    """The templates of a prompts file's text, and what is wrong with it, by line."""
    reader, node = _Reader(), parse_yaml(source)
    if isinstance(node, Fault):
        return Templates(), [node]
    reader.read(node)
    templates = Templates(tuple(reader.current()), source)
    for template, reason in faults_between(templates):
        line = next(made.line for made in reader.made if made.template is template)
        reader.faults.append(Fault(line, f"{template.task}.{template.family}: {reason}"))
    reader.refuse_changed(known)
    return templates, sorted(set(reader.faults))


class _Made(NamedTuple):
    template: Template
    line: int
    """Of its text."""
    version_line: int


class _Reader:
    """Collects templates and faults of one file."""

    def __init__(self) -> None:
        self.made: list[_Made] = []
        self.faults: list[Fault] = []

    def current(self) -> Iterator[Template]:
        """Yield the highest version for each pair of task and family."""
        newest: dict[tuple[Task, Family], Template] = {}
        for template, *_ in self.made:
            pair = template.task, template.family
            if pair not in newest or newest[pair].version < template.version:
                newest[pair] = template
        yield from newest.values()

    def refuse_changed(self, known: Collection[str]) -> None:
        """Note each version whose text differs from that of the same version in ``known``."""
        for template, _, line in self.made:
            named = template.id.rpartition(".")[0]
            if any(id.rpartition(".")[0] == named and id != template.id for id in known):
                self._fault(
                    line,
                    f"{named} has another text than the one that a release was made with: raise "
                    "its version",
                )

    def read(self, node: Node) -> None:
        if not isinstance(node, Fields):
            self._fault(node.line, "it must hold the keys name and prompts")
            return
        self._refuse_others(node, ("name", "prompts"))
        name = node.entries.get("name")
        if not isinstance(name, Text) or not _NAME.fullmatch(name.value):
            self._fault(
                name.line if name else node.line,
                "name must be a word of lower-case letters, digits and _, such as acme: it stands "
                "in the ids of templates",
            )
        prompts = node.entries.get("prompts")
        if not isinstance(prompts, Items) or not prompts.entries:
            self._fault(prompts.line if prompts else node.line, "prompts must be a list")
            return
        if len(prompts.entries) > _MOST_PROMPTS:
            self._fault(prompts.line, f"it has more than {_MOST_PROMPTS} prompts")
            return
        for prompt in prompts.entries:
            self._read_prompt(name.value if isinstance(name, Text) else "", prompt)

    def _read_prompt(self, name: str, node: Node) -> None:
        if not isinstance(node, Fields):
            self._fault(node.line, f"a prompt must have the keys {', '.join(_NEEDED)}")
            return
        self._refuse_others(node, _KEYS)
        known = len(self.faults)
        for key in _NEEDED:
            if key not in node.entries:
                self._fault(node.line, f"the prompt lacks {key}")
        task, family = self._word(node, "task", Task), self._word(node, "family", Family)
        version = self._text(node, "version")
        if version and not _VERSION.fullmatch(version.value):
            self._fault(version.line, f"version must be a number from 1, not {version.value!r}")
        shots = self._text(node, "shots")
        if shots and shots.value not in ("true", "false"):
            self._fault(shots.line, "shots must be true or false")
        exemplars, lead = self._exemplars(node), self._text(node, "lead")
        if task is None:
            return
        text, given = self._rendered(node, "text", task, exemplars)
        system, system_given = self._rendered(node, "system", task, exemplars)
        if family is None or version is None or len(self.faults) > known:
            return
        if system != system_given:
            self._fault(node.line, "system must not depend on the context")
            return
        opened = lead.value if lead else ""
        ending = "" if family is Family.CHAT else opened
        template = Template(
            task,
            family,
            int(version.value),
            text + ending,
            given + ending,
            system,
            opened if family is Family.CHAT else "",
            name or "own",
            shots is None or shots.value == "true",
        )
        self._keep(node, template)

    def _keep(self, node: Fields, template: Template) -> None:
        made = _Made(template, node.entries["text"].line, node.entries["version"].line)
        for reason in faults_of(template):
            self._fault(made.line, f"{template.task}.{template.family}: {reason}")
        for other, *_ in self.made:
            if (other.task, other.family, other.version) == (
                template.task,
                template.family,
                template.version,
            ):
                self._fault(
                    made.version_line,
                    f"{template.task}.{template.family} has version {template.version} twice",
                )
        self.made.append(made)

    def _rendered(
        self, node: Fields, key: str, task: Task, exemplars: list[Mapping[str, str]]
    ) -> tuple[str, str]:
        """A text without and with a context, with placeholders."""
        given = self._text(node, key)
        if given is None:
            return "", ""
        text = JinjaText(given.value, fields_of(task), exemplars)
        forms = text.render(context=False), text.render(context=True)
        for line, reason in text.faults:
            self._fault(given.first + line - 1, f"{key}: {reason}")
        return forms

    def _exemplars(self, node: Fields) -> list[Mapping[str, str]]:
        given = node.entries.get("exemplars")
        if given is None:
            return []
        if not isinstance(given, Items) or len(given.entries) > _MOST_EXEMPLARS:
            self._fault(given.line, f"exemplars must be a list of at most {_MOST_EXEMPLARS}")
            return []
        read: list[Mapping[str, str]] = []
        for entry in given.entries:
            texts = entry.entries if isinstance(entry, Fields) else {}
            if not texts or not all(map(_KEY.fullmatch, texts)):
                self._fault(entry.line, "an exemplar must have names and texts")
                continue
            if other := [each for each in texts.values() if not isinstance(each, Text)]:
                self._fault(other[0].line, "a part of an exemplar must be a text")
                continue
            read.append({key: each.value for key, each in texts.items() if isinstance(each, Text)})
        return read

    def _word(self, node: Fields, key: str, kind: type[_Word]) -> _Word | None:
        given = self._text(node, key)
        if given is None:
            return None
        try:
            return kind(given.value)
        except ValueError:
            known = ", ".join(kind)
            self._fault(given.line, f"{key} {given.value!r} is not one of {known}")
            return None

    def _text(self, node: Fields, key: str) -> Text | None:
        given = node.entries.get(key)
        if given is not None and not isinstance(given, Text):
            self._fault(given.line, f"{key} must be a text")
            return None
        return given

    def _refuse_others(self, node: Fields, known: tuple[str, ...]) -> None:
        for key, value in node.entries.items():
            if key not in known:
                self._fault(value.line, f"unknown key {key!r}: the keys are {', '.join(known)}")

    def _fault(self, line: int, reason: str) -> None:
        self.faults.append(Fault(line, reason))
