"""What of a page is read: its centre, without the elements that look like what surrounds a text.

That is decided when the whole page is known, because an element with most of the text is content,
whatever its class says.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agents.passages.blocks import Border, Heading, Piece
from agents.passages.boilerplate import Part

_CENTRE = 0.6
"""Share of the text of a page, without what is around it, in its centre."""
_MOST_CENTRES = 32
"""Elements that are looked at as the centre of a page: those with the most text."""
_SHORTEST_PAGE = 600
"""Characters up to which an element that looks like a footer is one, also of a page with less. A
centre has more.
"""


class Extent(NamedTuple):
    """An element whose part is to be decided."""

    start: int
    """Index in the page's list at which its content begins."""
    end: int
    prose: int
    """Characters in it, outside of links."""
    part: Part


def without_surroundings(pieces: list[Piece], extents: list[Extent], prose: int) -> list[Piece]:
    """The pieces of a page without what surrounds its text, and without forms beside the text.

    ``extents``: elements that may be one or the other, or the centre. ``prose``: characters of the
    page outside of links.
    """
    outer_first = sorted(extents, key=lambda one: (one.start, -one.end))
    centre = _centre(outer_first, Extent(0, len(pieces), prose, Part.TEXT))
    left_out = [(0, centre.start), (centre.end, len(pieces))]
    inner = [one for one in outer_first if centre.start <= one.start and one.end <= centre.end]
    prose = centre.prose
    for part in (Part.ALIKE, Part.FORM):
        end_of_last = removed = 0
        for start, end, inside, this in inner:
            most = inside * 2 > prose and (part is Part.FORM or inside > _SHORTEST_PAGE)
            if this is part and end > end_of_last and not most:
                left_out.append((start, end))
                removed += inside
                end_of_last = end
        prose -= removed
    kept = _title(pieces, centre)
    at = 0
    for start, end in sorted(left_out):
        if end > at:
            kept += pieces[at:start]
            kept.append(Border.BLOCK)
            at = end
    return kept + pieces[at:]


def _centre(outer_first: Sequence[Extent], page: Extent) -> Extent:
    """The smallest element that has nearly all of the page's text.

    What surrounds the text by its class or id does not count. The whole page where no element is
    such a centre, or where several with enough text for one are beside each other.
    """
    centres = sorted(
        (one for one in outer_first if one.part is Part.CENTRE and one.prose >= _SHORTEST_PAGE),
        key=lambda one: -one.prose,
    )
    for centre in reversed(centres[:_MOST_CENTRES]):
        prose, end_of_last, alone = page.prose, 0, True
        for one in outer_first:
            if one.start < end_of_last or (one.end > centre.start and one.start < centre.end):
                continue
            if one.part is Part.ALIKE:
                prose -= one.prose
                end_of_last = one.end
            elif one.part is Part.CENTRE and one.prose >= _SHORTEST_PAGE:
                alone = False
        if alone and centre.prose >= _CENTRE * prose:
            return centre
    return page


def _title(pieces: Sequence[Piece], centre: Extent) -> list[Piece]:
    """The last heading of level 1 before the centre of a page, where it has none itself."""
    last = centre.start
    for index, piece in enumerate(pieces[: centre.end]):
        if isinstance(piece, Heading) and piece.level == 1:
            last = index
    return [pieces[last]] if last < centre.start else []
