"""A document that docutils has read, as HTML."""

from collections.abc import Iterable
from typing import Any

from docutils import nodes

from schemas.formats import html
from schemas.formats.converted import Converted

_LEFT_OUT = (
    nodes.comment,
    nodes.substitution_definition,
    nodes.target,
    nodes.pending,
    nodes.system_message,
    nodes.image,
    nodes.raw,
    nodes.footnote,
    nodes.citation,
    nodes.footnote_reference,
    nodes.citation_reference,
    nodes.docinfo,
    nodes.decoration,
    nodes.meta,
    nodes.generated,
    nodes.colspec,
)
_ELEMENTS = {
    nodes.bullet_list: "ul",
    nodes.enumerated_list: "ol",
    nodes.list_item: "li",
    nodes.definition_list: "dl",
    nodes.term: "dt",
    nodes.definition: "dd",
    nodes.field_list: "dl",
    nodes.field_name: "dt",
    nodes.field_body: "dd",
    nodes.option_list: "dl",
    nodes.option_group: "dt",
    nodes.description: "dd",
    nodes.block_quote: "blockquote",
    nodes.table: "table",
    nodes.row: "tr",
    nodes.entry: "td",
    nodes.paragraph: "p",
    nodes.attribution: "p",
    nodes.caption: "p",
    nodes.legend: "div",
}
"""The elements of HTML with the content of a node."""


def convert(document: Any) -> Converted:
    """The blocks of a document."""
    writer = _Writer(document)
    return Converted([block for block in map(writer.block, document.children) if block])


class _Writer:
    """Writes nodes; ``document`` knows where references lead."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._level = 0

    def block(self, node: Any) -> str:
        """A node as HTML."""
        if isinstance(node, nodes.Text):
            return html.text(node.astext())
        if isinstance(node, _LEFT_OUT):
            return ""
        if isinstance(node, nodes.section):
            self._level += 1
            content = self._content(node)
            self._level -= 1
            return content
        if isinstance(node, nodes.title | nodes.subtitle | nodes.rubric):
            return self._title(node)
        if isinstance(node, nodes.literal_block | nodes.doctest_block | nodes.math_block):
            return html.code(node.astext())
        if isinstance(node, nodes.line_block):
            return html.element("p", "<br>".join(map(self._content, node.children)))
        if isinstance(node, nodes.topic) and "contents" in node["classes"]:
            return ""
        if isinstance(node, nodes.Admonition) and not isinstance(node, nodes.system_message):
            label = "" if isinstance(node, nodes.admonition) else type(node).__name__.capitalize()
            return (html.paragraph(label) if label else "") + self._content(node)
        if isinstance(node, nodes.field_list) and _is_about_the_document(node):
            return ""
        if "label" in getattr(node, "attributes", ()):
            return html.text(self._named(node["label"]) or node.astext())
        content = self._content(node)
        name = _ELEMENTS.get(type(node))
        return html.element(name, content) if name else content

    def _content(self, node: Any) -> str:
        children: Iterable[Any] = node.children
        separator = ", " if isinstance(node, nodes.option_group) else ""
        return separator.join(map(self.block, children))

    def _title(self, node: Any) -> str:
        content = self._content(node)
        parent = node.parent
        if isinstance(parent, nodes.section) and not isinstance(node, nodes.rubric):
            return html.element(f"h{min(self._level, 6)}", content)
        return html.element("p", content)

    def _named(self, label: str) -> str | None:
        """The title of the section to which a label leads."""
        id = self._document.nameids.get(label)
        node = self._document.ids.get(id) if id else None
        if isinstance(node, nodes.target):  # it stands before the section
            following = node.next_node(nodes.section, descend=False, siblings=True)
            node = following if following is not None else node
        title = node.next_node(nodes.title) if isinstance(node, nodes.section) else None
        return title.astext() if title is not None else None


def _is_about_the_document(fields: Any) -> bool:
    """Whether a list of fields stands first, or right below the first heading."""
    parent = fields.parent
    if not isinstance(parent, nodes.document | nodes.section):
        return False
    if isinstance(parent, nodes.section) and not isinstance(parent.parent, nodes.document):
        return False
    return all(
        isinstance(before, nodes.title | nodes.comment | nodes.target)
        for before in parent.children[: parent.index(fields)]
    )
