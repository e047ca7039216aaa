"""Which examples a report shows."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from schemas.ids import hash_fraction
from streams.report.content import Sample
from streams.report.gathering.gathered import Refused
from streams.report.gathering.item import Item, cut

_LONGEST_NAME = 300
_LONGEST_REASON = 600


def samples_of(
    items: Sequence[Item],
    refused: Iterable[Refused],
    positions: Mapping[str, int],
    each: int,
) -> tuple[Sample, ...]:
    """The best-rated, the lowest-rated, and some drawn by the hash of the id, then refused ones.

    ``each`` is the number of each kind but the last.
    """
    rated = [item for item in items if item.score is not None]
    best = heapq.nsmallest(each, rated, key=lambda item: (-_score(item), item.id))
    shown = {item.id for item in best}
    lowest = heapq.nsmallest(
        each, (one for one in rated if one.id not in shown), key=lambda one: (_score(one), one.id)
    )
    shown |= {item.id for item in lowest}
    drawn = heapq.nsmallest(
        each,
        (one for one in items if one.id not in shown),
        key=lambda one: (hash_fraction(one.id), one.id),
    )
    return (
        *(_sample("best", item, positions) for item in best),
        *(_sample("lowest", item, positions) for item in lowest),
        *(_sample("drawn", item, positions) for item in drawn),
        *(_sample("refused", one.item, positions, one.reason) for one in refused),
    )


def passages_of(samples: Iterable[Sample]) -> set[str]:
    """The ids of the passages that samples came from."""
    return {sample.segment_id for sample in samples} - {""}


def _score(item: Item) -> float:
    return item.score or 0.0


def _sample(
    kind: Literal["best", "lowest", "drawn", "refused"],
    item: Item,
    positions: Mapping[str, int],
    reason: str = "",
) -> Sample:
    return Sample(
        kind=kind,
        id=cut(item.id, _LONGEST_NAME),
        instruction=item.instruction,
        context=item.context,
        response=item.response,
        score=item.score,
        reason=cut(reason, _LONGEST_REASON),
        category=cut(item.category, _LONGEST_NAME),
        language=cut(item.language, _LONGEST_NAME),
        release=cut(item.release, _LONGEST_NAME),
        source=cut(item.source, _LONGEST_NAME),
        document_id=cut(item.document_id, _LONGEST_NAME),
        segment_id=cut(item.segment_id, _LONGEST_NAME),
        document_at=item.document_at,
        headings=tuple(cut(heading, _LONGEST_NAME) for heading in item.headings),
        position=positions.get(item.segment_id),
    )
