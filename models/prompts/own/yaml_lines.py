"""YAML of mappings, lists and texts, with the line of each.

A text keeps its line so that a fault in it can be named. Anchors, aliases and tags are refused:
nothing of what a prompts file holds needs them, and a few hundred bytes of aliases stand for
gigabytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from models.prompts.own.fault import Fault

_DEEPEST = 8
"""Levels of mappings and lists. PyYAML visits all levels at each token."""


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar, as it is written."""

    value: str
    line: int
    """Where it begins."""
    first: int
    """Where its first line of text stands: below the bar of a block."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping."""

    entries: Mapping[str, "Node"]
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    entries: Sequence["Node"]
    line: int


Node = Text | Fields | Items


def parse_yaml(source: str) -> Node | Fault:
    """Read a text, or say why it is not YAML of this kind."""
    try:
        if fault := _found_at_a_glance(source):
            return fault
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Fault(line, f"it is not YAML: {error.problem}")
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML does not allow
        reason = str(error).partition("\n")[0]
        return Fault(1, f"it is not YAML: {reason}")
    return Fault(1, "it is empty") if node is None else _read(node)


def _found_at_a_glance(source: str) -> Fault | None:
    """What can be seen while the text is scanned: to compose it takes all of it."""
    depth = 0
    for event in yaml.parse(source, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            return Fault(line, "anchors (&) and aliases (*) are not allowed here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            return Fault(line, "it is nested too deep to be prompts")
    return None


def _read(node: yaml.Node) -> Node | Fault:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        items: list[Node] = []
        for item in node.value:
            read = _read(item)
            if isinstance(read, Fault):
                return read
            items.append(read)
        return Items(items, line)
    if isinstance(node, yaml.MappingNode):
        return _read_fields(node, line)
    assert isinstance(node, yaml.ScalarNode)
    try:
        node.value.encode()
    except UnicodeEncodeError:  # an escape such as "\ud800"
        return Fault(line, "a text holds half of a surrogate pair")
    return Text(node.value, line, line + (node.style in ("|", ">")))


def _read_fields(node: yaml.MappingNode, line: int) -> Fields | Fault:
    entries: dict[str, Node] = {}
    for key, value in node.value:
        at = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            return Fault(at, "a key must be a word")
        if key.value in entries:
            return Fault(at, f"{key.value} stands twice")
        read = _read(value)
        if isinstance(read, Fault):
            return read
        entries[key.value] = read
    return Fields(entries, line)
