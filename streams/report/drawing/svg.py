"""SVG elements, and the parts that plots share.

Elements are built as a tree, so that text is escaped by the serializer. Colours are classes of
``page.css``, which has them for light and dark. Lengths are in the units of a plot's own box.
"""

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

WIDTH = 720.0
COLOURS = 8
"""Classes ``c0`` to ``c7``."""
_CHARACTER = 6.6
"""Width of a character of 12 pixels, on average."""
# What XML cannot hold, and what turns the order of the text around it.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """A text without control characters, lone surrogates and marks that turn its direction."""
    return _UNSEEN.sub("\ufffd", text)


def plot(height: float, label: str, width: float = WIDTH) -> Element:
    """The root of a plot. ``label`` says in a sentence what it shows."""
    return Element(
        "svg",
        {
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "role": "img",
            "aria-label": visible(label),
            "class": "plot",
        },
    )


def add(parent: Element, tag: str, kind: str, **attributes: float | str) -> Element:
    """Add an element of a class. Underscores in names stand for hyphens."""
    given = {
        name.replace("_", "-"): value if isinstance(value, str) else number(value)
        for name, value in attributes.items()
    }
    return SubElement(parent, tag, {"class": kind, **given})


def write(
    parent: Element, x: float, y: float, text: str, kind: str = "", **attributes: float | str
) -> Element:
    """Add a line of text, in 12 pixels; ``kind`` is ``end``, ``middle``, ``small`` and the like."""
    element = add(parent, "text", f"label {kind}".strip(), x=x, y=y, **attributes)
    element.text = visible(" ".join(text.split()))
    return element


def tip(element: Element, text: str) -> None:
    """Give an element a text that browsers show where the mouse rests."""
    SubElement(element, "title").text = visible(text)


def markup(root: Element) -> Markup:
    """The plot as text for a page."""
    return Markup(tostring(root, encoding="unicode"))


def fitted(text: str, width: float) -> str:
    """A text, cut to a width in 12 pixels."""
    text, most = " ".join(text.split()), max(1, int(width / _CHARACTER))
    return text if len(text) <= most else text[: most - 1] + "…"


def number(value: float) -> str:
    """A length with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def ticks(most: float) -> list[float]:
    """Three to six round values from 0 to at least ``most``."""
    if most <= 0:
        return [0.0, 1.0]
    step = 1.0
    while most / step > 5:
        step *= 10
    for part in (0.1, 0.2, 0.25, 0.5, 1.0):
        if most / (step * part) <= 5 and (step * part >= 1 or most <= 2):
            step *= part
            break
    count = int(most / step) + (most % step > 1e-9 * step)
    return [step * place for place in range(count + 1)]
