"""Roles and directives of Sphinx and its extensions, as docutils can be taught them."""

from collections.abc import Collection
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en

from schemas.formats.sphinx_names import CODE, LEFT_OUT, TITLED, VERSION_LABELS, shortened

_UNNAMED = frozenset("only ifconfig hlist tab-set grid rst-class card-carousel tabs".split())
"""Their arguments are conditions and the like, which are left out."""
_ADMONITIONS = {"seealso": "See also", "impl-detail": "Note", "todo": "", "danger": "Warning"}
"""What stands before the text of these; those with an empty text are left out."""


def register(role_names: Collection[str], directive_names: Collection[str]) -> None:
    """Teach docutils the roles and directives that it does not know."""
    for name in role_names:
        if name.lower() not in en.roles:
            roles.register_local_role(name, _role)
    for name in directive_names:
        if name in CODE or name.lower() not in en.directives:
            directives.register_directive(name, _directive_of(name))


def _role(
    name: str,
    rawtext: str,
    text: str,
    lineno: int,
    inliner: Any,
    options: Any = None,
    content: Any = (),
) -> tuple[list[Any], list[Any]]:
    """The title of a reference, or what it names: ``~a.b.c`` is ``c``."""
    text = text.replace("\0", "\\")
    if titled := TITLED.fullmatch(text):
        return [nodes.inline(rawtext, titled[1])], []
    text = shortened(text)
    kind = name.lower().rpartition(":")[2]
    node = nodes.inline(rawtext, text.lstrip("!"))
    if kind in ("ref", "numref", "doc"):
        node["label"] = " ".join(text.lower().split())
    return [node], []


def _directive_of(name: str) -> type[Directive]:
    if name in CODE:
        return _Code
    if name in LEFT_OUT:
        return _Nothing
    if name in _UNNAMED:
        return type("_Unnamed", (_Other,), {"named": False})
    if name in VERSION_LABELS:
        return type("_Version", (_Version,), {"label": VERSION_LABELS[name]})
    if name in _ADMONITIONS:
        return type("_Note", (_Note,), {"label": _ADMONITIONS[name]})
    return _Other


class _Options(dict[str, Any]):
    """Options that a directive may have: all, as they are."""

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        return directives.unchanged


class _Nothing(Directive):
    """A directive that is left out."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = _Options()

    def run(self) -> list[Any]:
        """No nodes."""
        return []


class _Code(_Nothing):
    """A block of code."""

    def run(self) -> list[Any]:
        """A literal block."""
        code = "\n".join(self.content)
        return [nodes.literal_block(code, code)] if code.strip() else []


class _Version(_Nothing):
    """A change in a version: the version, and what else is said on its line, lead the text."""

    label = "{}"

    def run(self) -> list[Any]:
        """A paragraph that begins with the label."""
        version, *rest = " ".join(self.arguments).split(None, 1) or [""]
        more = " ".join(rest)
        lead = self.label.format(version) + (": " if more or self.content else ".")
        inline, _ = self.state.inline_text(more, self.lineno)
        paragraph = nodes.paragraph("", lead, *inline)
        body = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, body)
        first = body.children[0] if body.children else None
        if isinstance(first, nodes.paragraph) and not more:
            paragraph += first.children
            body.remove(first)
        return [paragraph, *body.children]


class _Note(_Nothing):
    """An admonition."""

    label = ""

    def run(self) -> list[Any]:
        """Its label and its text."""
        if not self.label:
            return []
        inline, _ = self.state.inline_text(" ".join(self.arguments), self.lineno)
        body = nodes.container()
        if inline:
            body += nodes.paragraph("", "", *inline)
        self.state.nested_parse(self.content, self.content_offset, body)
        return [nodes.paragraph("", self.label), *body.children]


class _Other(_Nothing):
    """Any other directive: what it describes or names is the term of its content."""

    named = True

    def run(self) -> list[Any]:
        """A definition, or only the content where nothing is named."""
        body = nodes.definition()
        self.state.nested_parse(self.content, self.content_offset, body)
        names = [line.strip().rstrip("\\") for line in "\n".join(self.arguments).split("\n")]
        terms = [nodes.term(name, name) for name in names if name]
        if not terms or not self.named:
            return list(body.children)
        if not body.children:
            return []
        return [nodes.definition_list("", nodes.definition_list_item("", *terms, body))]
