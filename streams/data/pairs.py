"""Finds the pairs that people decide about: kept examples, and pairs that were only rated."""

from collections.abc import Callable, Iterator, Sequence

from schemas.records import Example, Scored
from streams.data.dataset import snapshot
from streams.data.decisions import Pair
from streams.data.short_ids import meant_by
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import SCORED


def kept_pairs(cluster: Cluster, wanted: Callable[[Pair], bool]) -> list[Example]:
    """The examples on ``curated`` that are wanted. Raises BrokerError."""
    return [example for example in snapshot(cluster) if wanted(example)]


def refused_pairs(
    cluster: Cluster, wanted: Callable[[Pair], bool], kept: Sequence[Example]
) -> list[Scored]:
    """The rated pairs that are wanted and not among ``kept``, with their newest ratings.

    Raises BrokerError.
    """
    known = {example.id for example in kept}
    newest: dict[str, Scored] = {}
    terms: dict[str, int] = {}
    for pair in _rated(cluster):
        if pair.id in known or pair.rating.term < terms.get(pair.id, 0):
            continue
        terms[pair.id] = pair.rating.term
        if wanted(pair):
            newest[pair.id] = pair
        else:  # its newest rating does not satisfy the conditions
            newest.pop(pair.id, None)
    return list(newest.values())


def find_pairs(cluster: Cluster, ids: Sequence[str]) -> dict[str, Pair]:
    """The pairs with these ids, by id: as they are kept, or else as they were rated.

    Also those whose ids begin with one of ``ids`` (``short_ids.py``). An id that is on neither
    topic is missing in the result. Raises BrokerError.
    """
    is_meant = meant_by(ids)
    kept = kept_pairs(cluster, lambda pair: is_meant(pair.id))
    found: dict[str, Pair] = {example.id: example for example in kept}
    if not all(id in found for id in ids):
        rated = refused_pairs(cluster, lambda pair: is_meant(pair.id), kept)
        found |= {pair.id: pair for pair in rated}
    return found


def _rated(cluster: Cluster) -> Iterator[Scored]:
    reader = RecordReader()
    for received in replay(cluster, SCORED):
        pair = reader.read_record(received, Scored)
        if pair is not None and pair.ruling is None:
            yield pair
