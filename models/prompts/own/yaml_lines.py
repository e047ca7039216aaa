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


class NotRead(Exception):
    """The text is not YAML of this kind."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def parse_yaml(source: str) -> Node:
    """Read a text. Raises NotRead."""
    try:
        _refuse_depth(source)
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise NotRead(Fault(line, f"it is not YAML: {error.problem}")) from error
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML does not allow
        reason = str(error).partition("\n")[0]
        raise NotRead(Fault(1, f"it is not YAML: {reason}")) from error
    if node is None:
        raise NotRead(Fault(1, "it is empty"))
    return _read(node)


def _refuse_depth(source: str) -> None:
    """Look at the text as it is scanned: to compose it takes all of it."""
    depth = 0
    for event in yaml.parse(source, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotRead(Fault(line, "anchors (&) and aliases (*) are not allowed here"))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise NotRead(Fault(line, "it is nested too deep to be prompts"))


def _read(node: yaml.Node) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Items([_read(item) for item in node.value], line)
    if isinstance(node, yaml.MappingNode):
        entries: dict[str, Node] = {}
        for key, value in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise NotRead(Fault(at, "a key must be a word"))
            if key.value in entries:
                raise NotRead(Fault(at, f"{key.value} stands twice"))
            entries[key.value] = _read(value)
        return Fields(entries, line)
    assert isinstance(node, yaml.ScalarNode)
    try:
        node.value.encode()
    except UnicodeEncodeError as error:  # an escape such as "\ud800"
        raise NotRead(Fault(line, "a text holds half of a surrogate pair")) from error
    return Text(node.value, line, line + (node.style in ("|", ">")))
