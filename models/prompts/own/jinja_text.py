"""A Jinja text as the text of a template, with placeholders for its fields.

It is rendered once for each form of a template, not for each record: a field stands for a
placeholder, whose value is encoded apart from the template's own text. So a text may print fields,
test whether there is a context, and go over the prompt's own exemplars. Everything else of Jinja is
refused before anything is compiled, with its line. What is left ends after one visit of each
exemplar, and is rendered in Jinja's sandbox all the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models.prompts.own.fault import Fault
from models.prompts.template import FIELDS

CONTEXT = "context"
"""The field that a text may test."""
_EXEMPLARS = "exemplars"
_LOOP = {"loop": {"index", "index0", "first", "last", "length"}}
_FILTERS = {"trim", "lower", "upper", "capitalize"}
_OPEN, _CLOSE = "\ue000", "\ue001"
"""What stands around a field's name while a text is rendered. A text must not hold them."""
_FIELD = re.compile(f"{_OPEN}([a-z]+){_CLOSE}")
_PLACEHOLDER = re.compile(rf"\{{(?:{'|'.join(FIELDS)})\d*\}}")
_LONGEST = 32_768
"""Characters of a rendered text."""
_DEEPEST = 16
"""Levels of blocks and expressions."""


class JinjaText:
    """A text whose Jinja is allowed, ready to be rendered."""

    def __init__(
        self, source: str, fields: Sequence[str], exemplars: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """``fields`` are those of the task. ``faults`` has what is wrong with the text."""
        self.faults: list[Fault] = []
        """Lines are those of the text."""
        self._fields = fields
        self._exemplars = [SimpleNamespace(**exemplar) for exemplar in exemplars]
        keys = [set(exemplar) for exemplar in exemplars]
        self._keys = set.intersection(*keys) if keys else set()
        self._environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, optimized=False
        )
        self._environment.globals.clear()
        self._source = source
        if stray := re.search(f"[{_OPEN}{_CLOSE}]", source):
            line = _line_at(source, stray.start())
            self.faults.append(Fault(line, "U+E000 and U+E001 are not allowed"))
            return
        try:
            tree = self._environment.parse(source)
        except TemplateSyntaxError as error:
            self.faults.append(Fault(error.lineno, f"it is not Jinja: {error.message}"))
            return
        except (RecursionError, MemoryError):
            self.faults.append(Fault(1, "it is nested too deep"))
            return
        self.faults += sorted(set(_Inspection(fields, self._keys).faults(tree)))

    def render(self, *, context: bool) -> str:
        """The text with placeholders such as ``{response}``, for a record with or without context.

        Adds to ``faults`` what can only be seen now, and returns what there is.
        """
        if self.faults:
            return ""
        values: dict[str, object] = {name: f"{_OPEN}{name}{_CLOSE}" for name in self._fields}
        if not context:
            values[CONTEXT] = ""
        try:
            rendered = self._environment.from_string(self._source).render(
                values, exemplars=self._exemplars
            )
        except (TemplateError, SyntaxError, RecursionError, MemoryError) as error:
            self.faults.append(Fault(1, f"it cannot be rendered: {error}"))
            return ""
        if len(rendered) > _LONGEST:
            self.faults.append(
                Fault(1, f"it has {len(rendered):,} characters, more than {_LONGEST:,}")
            )
        if stray := _PLACEHOLDER.search(rendered):
            at = self._source.find(stray[0])
            name = stray[0].strip("{}")
            self.faults.append(
                Fault(
                    _line_at(self._source, max(at, 0)),
                    f"{stray[0]} is no field of Jinja: write {{{{ {name} }}}}, or other brackets",
                )
            )
        return _FIELD.sub(r"{\1}", rendered)


class _Inspection:
    """Looks for what is not allowed in a parsed text."""

    def __init__(self, fields: Sequence[str], keys: set[str]) -> None:
        self._fields = fields
        self._keys = keys

    def faults(self, tree: nodes.Template) -> Iterator[Fault]:
        """Yield what is wrong, in the order of the text."""
        try:
            yield from self._of_all(tree.body, None, 0)
        except RecursionError:
            yield Fault(1, "it is nested too deep")

    def _of_all(
        self, body: Sequence[nodes.Node], target: str | None, depth: int
    ) -> Iterator[Fault]:
        for node in body:
            yield from self._of(node, target, depth)

    def _of(self, node: nodes.Node, target: str | None, depth: int) -> Iterator[Fault]:
        """``target`` is the name of the exemplar in a loop, and None outside of one."""
        if depth > _DEEPEST:
            yield Fault(node.lineno, "it is nested too deep")
        elif isinstance(node, nodes.Output):
            for each in node.nodes:
                if not isinstance(each, nodes.TemplateData):
                    yield from self._of_printed(each, target)
        elif isinstance(node, nodes.If):
            yield from self._of_test(node.test, target, depth)
            for branch in (node.body, node.elif_, node.else_):
                yield from self._of_all(branch, target, depth + 1)
        elif isinstance(node, nodes.For):
            yield from self._of_loop(node, target, depth)
        else:
            yield Fault(node.lineno, f"{_called(node)} is not allowed in a prompt")

    def _of_loop(self, node: nodes.For, target: str | None, depth: int) -> Iterator[Fault]:
        over = isinstance(node.iter, nodes.Name) and node.iter.name == _EXEMPLARS
        if not over or not isinstance(node.target, nodes.Name) or node.test or node.recursive:
            yield Fault(node.lineno, f"a loop must be {{% for NAME in {_EXEMPLARS} %}}")
        elif target is not None:
            yield Fault(node.lineno, "a loop must not stand in a loop")
        elif node.target.name in {*self._fields, *_LOOP, _EXEMPLARS}:
            yield Fault(node.lineno, f"{node.target.name} is taken: call the exemplar otherwise")
        else:
            yield from self._of_all(node.body, node.target.name, depth + 1)
            yield from self._of_all(node.else_, None, depth + 1)

    def _of_printed(self, node: nodes.Node, target: str | None) -> Iterator[Fault]:
        if isinstance(node, nodes.Name):
            if node.name not in self._fields:
                known = ", ".join(self._fields)
                yield Fault(
                    node.lineno, f"{node.name} is not a field of this task: its fields are {known}"
                )
        elif isinstance(node, nodes.Filter):
            if not isinstance(node.node, nodes.Getattr):
                yield Fault(node.lineno, "a field is printed as it is: it has no filter")
            elif node.name not in _FILTERS or node.args or node.kwargs:
                allowed = ", ".join(sorted(_FILTERS))
                yield Fault(node.lineno, f"the filter {node.name} is not one of {allowed}")
            else:
                yield from self._of_printed(node.node, target)
        elif isinstance(node, nodes.Getattr):
            yield from self._of_attribute(node, target)
        elif not (isinstance(node, nodes.Const) and isinstance(node.value, str)):
            yield Fault(node.lineno, f"{_called(node)} is not allowed in a prompt")

    def _of_attribute(self, node: nodes.Getattr, target: str | None) -> Iterator[Fault]:
        names = {**_LOOP, target: self._keys} if target is not None else {}
        of = node.node.name if isinstance(node.node, nodes.Name) else None
        if of not in names:
            yield Fault(
                node.lineno, f".{node.attr}: only an exemplar of a loop, and loop, have parts"
            )
        elif node.attr not in names[of]:
            yield Fault(node.lineno, f"{of}.{node.attr} is not there in every exemplar")

    def _of_test(self, node: nodes.Node, target: str | None, depth: int) -> Iterator[Fault]:
        if depth > _DEEPEST:
            yield Fault(node.lineno, "it is nested too deep")
        elif isinstance(node, nodes.Not):
            yield from self._of_test(node.node, target, depth + 1)
        elif isinstance(node, nodes.And | nodes.Or):
            yield from self._of_test(node.left, target, depth + 1)
            yield from self._of_test(node.right, target, depth + 1)
        elif isinstance(node, nodes.Getattr):
            yield from self._of_attribute(node, target)
        elif not (isinstance(node, nodes.Name) and node.name == CONTEXT):
            yield Fault(
                node.lineno,
                f"only {CONTEXT} and the parts of an exemplar can be tested: a prompt is laid out "
                "once, before the other fields are known",
            )
        elif CONTEXT not in self._fields:
            yield Fault(node.lineno, f"this task has no {CONTEXT}")


def _called(node: nodes.Node) -> str:
    """A name for a kind of node, for people."""
    names = {
        nodes.Include: "include",
        nodes.Import: "import",
        nodes.FromImport: "import",
        nodes.Extends: "extends",
        nodes.Macro: "macro",
        nodes.Call: "a call",
        nodes.Assign: "set",
        nodes.Getitem: "[...]",
    }
    return names.get(type(node), f"a Jinja {type(node).__name__}")


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
