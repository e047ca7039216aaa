"""The elements of HTML by what a reader does with them.

Source: the HTML standard, 13.1.2.4 (optional tags) and 13.2.6 (tree construction), and what
generators of pages write.
"""

from agents.passages.boilerplate import AROUND

HEADINGS = {f"h{level}": level for level in range(1, 7)}
IN_HEADINGS = frozenset(
    "div section details summary figure figcaption address center fieldset".split()
)
"""Blocks that generators put inside a heading. Any other block ends an unclosed heading."""
BLOCKS = IN_HEADINGS | frozenset(
    "p article main ul ol dl table blockquote hr pre nav header footer aside form body".split()
)
TABLES = frozenset("table thead tbody tfoot tr td th caption".split())
CELLS = frozenset(("td", "th"))
LINES = BLOCKS | frozenset(("tr", "li"))
"""Elements that are lines where they stand in code."""
STRUCTURE = BLOCKS | TABLES | AROUND | HEADINGS.keys() | frozenset("li dt dd option html".split())
"""Elements whose end tag ends what is open inside of them."""
IMPLIED = frozenset("p li dt dd td th tr thead tbody option".split())
"""Elements that the end of their parent ends."""
NAMING = HEADINGS.keys() | frozenset(("dt", "th"))
"""Elements that name what follows."""
AROUND_NAMES = frozenset(("a", "button"))
"""Elements that may hold the whole of a name: a link to itself, and what opens and closes it."""
_PARAGRAPH = frozenset(("p",))
_ENDED_BY = {
    "li": frozenset(("p", "li")),
    "dt": frozenset(("p", "dt", "dd")),
    "dd": frozenset(("p", "dt", "dd")),
    "tr": frozenset(("p", "li", "td", "th", "tr")),
    "td": frozenset(("p", "li", "td", "th")),
    "th": frozenset(("p", "li", "td", "th")),
}


def ended_by(name: str) -> frozenset[str]:
    """The elements without an end tag that an element of the structure ends, where innermost."""
    return _ENDED_BY.get(name, _PARAGRAPH)
