"""How new instructions are, by ROUGE-L with those before them, and the nearest pairs."""

import heapq
import math
from collections.abc import Iterable, Sequence

from agents.curation.novelty import NoveltyIndex
from models.evaluation.rouge import NEAR
from streams.report.content import Neighbours, Novelty, Place, Window
from streams.report.gathering.item import Item, cut

SIMILAR = 0.5
"""ROUGE-L F1 at which instructions are called similar. Nearly all that is curated is below NEAR."""
_WINDOWS = 20
_SHOWN = 12
_WHOLE = 100_000
"""Examples of which each is looked at. Of more, so few that the time stays the same."""
_LONGEST = 400
"""Characters of an instruction that are shown."""


def novelty_of(items: Sequence[Item]) -> Novelty:
    """Compare each instruction with all before it that were asked after the same turns.

    ``items`` are in the order in which they came. Time grows with the square of their number, so of
    more than 100,000 only every so many is compared, with all before it.
    """
    step = max(1, math.ceil((len(items) / _WHOLE) ** 2))
    indices: dict[bytes, NoveltyIndex] = {}
    counts = [[0, 0, 0, 0] for _ in range(min(_WINDOWS, len(items)))]
    pairs: list[tuple[float, str, str]] = []
    for number, item in enumerate(items):
        index = indices.setdefault(item.history, NoveltyIndex(SIMILAR))
        looked_at = number % step == 0
        nearest = index.nearest(item.instruction) if looked_at else None
        index.add(item.id, item.instruction)
        window = counts[number * len(counts) // len(items)]
        window[0] += 1
        window[1] += looked_at
        if nearest is None:
            continue
        window[3 if nearest.rouge_l >= NEAR else 2] += 1
        found = (nearest.rouge_l, nearest.id, item.id)
        (heapq.heappush if len(pairs) < _SHOWN else heapq.heappushpop)(pairs, found)
    return Novelty(
        similar=SIMILAR,
        near=NEAR,
        looked_at=sum(looked_at for _, looked_at, *_ in counts),
        windows=tuple(_windows(counts)),
        neighbours=tuple(_neighbours(sorted(pairs, key=lambda one: (-one[0], one[1])), items)),
    )


def _windows(counts: Iterable[Sequence[int]]) -> Iterable[Window]:
    first = 1
    for length, looked_at, similar, near in counts:
        last = first + length - 1
        yield Window(first=first, last=last, looked_at=looked_at, similar=similar, near=near)
        first = last + 1


def _neighbours(
    pairs: Sequence[tuple[float, str, str]], items: Sequence[Item]
) -> Iterable[Neighbours]:
    wanted = {id for _, *ids in pairs for id in ids}
    by_id = {item.id: item for item in items if item.id in wanted}
    for rouge_l, first, second in pairs:
        places = [
            Place(
                id=item.id,
                instruction=cut(item.instruction, _LONGEST),
                source=item.source,
                segment_id=item.segment_id,
            )
            for item in (by_id[first], by_id[second])
        ]
        yield Neighbours(rouge_l=rouge_l, first=places[0], second=places[1])
