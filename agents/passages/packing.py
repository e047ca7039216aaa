"""Packing: the blocks of a section joined to passages within the limits of length."""

from collections.abc import Iterator
from itertools import accumulate, pairwise

from agents.passages.dividing import Piece, divide
from agents.passages.leaning import begins_inside, continues, is_item, leads_on, points_back
from agents.passages.sections import Continued

_JOINT = "\n\n"
_FORBIDDEN = 10.0
"""Cost of a cut after what leads on, or before what would begin inside."""
_CONTINUED = 3.0
"""Cost of a cut before a block that continues the one above it."""
_REPEATED = 0.5
"""Cost of a cut after which the introduction or the term is repeated."""
_POINTING = 0.6
"""Cost of a cut before a sentence that begins with "This", "However" and the like."""
_TOO_SHORT = 5.0
"""Cost of a passage, or of a rest, that is too short."""
_LONGEST_INTRODUCTION = 4
"""An introduction is repeated where it is at most this fraction (a fourth) of a passage."""


def pack(blocks: list[str], shortest: int, longest: int) -> Iterator[str]:
    """Join ``blocks`` to one passage, or to several where they are over ``longest`` characters.

    A section is divided between blocks, into passages of about the same length. A block that is
    over ``longest`` by itself is divided at its next finer border; one without any is a passage of
    its own, which the caller refuses. No cut is made after a block that leads into the next one,
    nor before an item, a row or a line of code, where another cut is possible. A passage that
    begins with a later part of a list repeats the list's introduction, one that begins within a
    definition its term; one that begins within an item is ``Continued``.
    """
    if sum(map(len, blocks)) + len(_JOINT) * (len(blocks) - 1) <= longest:
        yield _JOINT.join(blocks)
        return
    pieces = _pieces(blocks, longest)
    costs = [_cost(before, piece) for before, piece in pairwise(pieces)]
    costs.append(0.0)
    rest = list(accumulate(len(piece.joint) + len(piece.text) for piece in reversed(pieces)))
    rest.reverse()
    start = 0
    while start < len(pieces):
        end = _end(pieces, costs, rest, start, shortest, longest)
        lead = pieces[start].lead if start else ""
        text = lead + _join(pieces[start:end])
        yield Continued(text) if start and pieces[start].inside and not lead else text
        start = end


def _pieces(blocks: list[str], longest: int) -> list[Piece]:
    pieces: list[Piece] = []
    introduction = ""
    for index, block in enumerate(blocks):
        joint = _JOINT if index else ""
        inside = isinstance(block, Continued)
        lead = ""
        if isinstance(block, Continued) and block.term:
            lead = f"{block.term}\n"
        elif introduction and is_item(block):
            lead = f"{introduction}\n\n"
        if len(block) + len(lead) <= longest:
            cost = _REPEATED if lead else _CONTINUED if inside else 0.0
            pieces.append(Piece(block, joint, cost, lead, inside))
        else:
            pieces += divide(block, joint, longest, introduction)
        if not inside and not begins_inside(block):
            introduction = block if len(block) * _LONGEST_INTRODUCTION <= longest else ""
    return pieces


def _cost(before: Piece, piece: Piece) -> float:
    """Cost of a cut between two pieces."""
    if leads_on(before.text):
        return _FORBIDDEN
    if piece.lead:
        return piece.cost
    if begins_inside(piece.text) or continues(before.text, piece.text):
        return _FORBIDDEN / 2
    return piece.cost + (_POINTING if points_back(piece.text) else 0.0)


def _end(
    pieces: list[Piece],
    costs: list[float],
    rest: list[int],
    start: int,
    shortest: int,
    longest: int,
) -> int:
    """Where the passage that begins at ``start`` ends: the cheapest of the possible ends."""
    first = pieces[start]
    lead = len(first.lead) if start else 0
    remaining = rest[start] + lead
    target = remaining / -(-remaining // longest)
    best, least = start + 1, float("inf")
    size = lead - len(first.joint)
    for index in range(start, len(pieces)):
        size += len(pieces[index].joint) + len(pieces[index].text)
        if size > longest:
            break
        after = rest[index + 1] if index + 1 < len(pieces) else 0
        cost = costs[index] + abs(size - target) / target
        if size < shortest:
            cost += _TOO_SHORT
        if 0 < after < shortest:
            cost += _TOO_SHORT
        if cost < least:
            best, least = index + 1, cost
    return best


def _join(pieces: list[Piece]) -> str:
    return pieces[0].text + "".join(piece.joint + piece.text for piece in pieces[1:])
