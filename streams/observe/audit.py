"""The conservation proof: every document, segment, candidate and scored id is answered for.

An id is answered for when its stage wrote what follows from it, a rejection, or a dead letter; or
when it is still in flight (its offset is not committed). What is none of these is *lost*, and is
named.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.backward import Backward
from agents.curator import Curator
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from schemas.errors import WireError
from schemas.records import Candidate, Example, Record, Rejection, Scored, Segment
from schemas.wire import decode, decode_document, header_map
from streams.kafka.cluster import Cluster
from streams.kafka.dead_letters import OFFSET, PARTITION, TOPIC
from streams.kafka.messages import Received
from streams.kafka.replay import replay
from streams.kafka.topics import (
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    DOCUMENTS,
    REJECTED,
    SCORED,
    SEGMENTS,
    Topic,
)
from streams.stages.topology import STAGES


@dataclass(frozen=True, slots=True)
class StageAccount:
    """Distinct ids on a stage's source topic, by what became of them."""

    stage: str
    ids: int
    followed: int
    """Whose outputs were written; for the curator: kept."""
    rejected: int
    dead: int
    in_flight: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """The accounts of all stages, and the rejections by stage and reason."""

    stages: tuple[StageAccount, ...]
    rejections: Mapping[tuple[str, str], int]
    duplicates: int
    """Messages on ``curated`` beyond one for each id: what compaction removes."""

    @property
    def complete(self) -> bool:
        """Whether nothing is lost."""
        return not any(stage.lost for stage in self.stages)


@dataclass
class _Ledger:
    """What the topics say, read once."""

    rejected: dict[str, set[str]] = field(default_factory=dict)
    """Stage to the ids that it refused, and the parents of those."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: set[tuple[str, int, int]] = field(default_factory=set)


def audit(cluster: Cluster, committed: Mapping[tuple[str, str, int], int]) -> Audit:
    """Read every topic and account for every id.

    ``committed``: (stage, topic, partition) to the committed offset, taken *before* the call, so
    that what is written meanwhile is in flight rather than lost.
    """
    ledger = _read_ledger(cluster)
    segments = _parents(cluster, SEGMENTS, Segment, lambda segment: segment.document_id)
    candidates = _parents(
        cluster, CANDIDATES, Candidate, lambda candidate: candidate.provenance.segment_id
    )
    scored = _parents(cluster, SCORED, Scored, lambda one: one.id)
    curated, messages = _curated(cluster)
    followed = {
        Segmenter.stage: segments,
        Backward.stage: candidates,
        Scorer.stage: scored,
        Curator.stage: curated,
    }
    accounts = tuple(
        _account(cluster, spec.name, spec.source, followed[spec.name], ledger, committed)
        for spec in STAGES
    )
    return Audit(accounts, dict(ledger.reasons), messages - len(curated))


def _account(
    cluster: Cluster,
    stage: str,
    source: Topic,
    followed: set[str],
    ledger: _Ledger,
    committed: Mapping[tuple[str, str, int], int],
) -> StageAccount:
    fates: dict[str, str] = {}
    for received in replay(cluster, source):
        flying = received.offset >= committed.get((stage, received.topic, received.partition), 0)
        try:
            id = _decode(source, received).id
        except WireError:
            id = f"{received.topic}/{received.partition}@{received.offset}"
        if id in followed:
            fates[id] = "followed"
        elif id in ledger.rejected.get(stage, ()):
            fates[id] = "rejected"
        elif (received.topic, received.partition, received.offset) in ledger.dead:
            fates[id] = "dead"
        elif fates.get(id) != "dead":
            fates[id] = "in_flight" if flying else "lost"
    counts = Counter(fates.values())
    lost = tuple(sorted(id for id, fate in fates.items() if fate == "lost"))
    return StageAccount(
        stage,
        len(fates),
        counts["followed"],
        counts["rejected"],
        counts["dead"],
        counts["in_flight"],
        lost,
    )


def _decode(source: Topic, received: Received) -> Record:
    headers = header_map(received.headers)
    if source is DOCUMENTS:
        return decode_document(received.value, headers, received.key)
    assert source.record is not None
    return decode(source.record, received.value, headers)


def _parents(
    cluster: Cluster, topic: Topic, kind: type[Any], parent: Callable[[Any], str]
) -> set[str]:
    return {
        parent(decode(kind, r.value, header_map(r.headers)))
        for r in replay(cluster, topic)
        if r.value is not None
    }


def _curated(cluster: Cluster) -> tuple[set[str], int]:
    ids: set[str] = set()
    messages = 0
    for received in replay(cluster, CURATED):
        if received.value is not None:
            ids.add(decode(Example, received.value, header_map(received.headers)).id)
            messages += 1
    return ids, messages


def _read_ledger(cluster: Cluster) -> _Ledger:
    ledger = _Ledger()
    seen: set[tuple[str, str, str]] = set()
    for received in replay(cluster, REJECTED):
        rejection = decode(Rejection, received.value, header_map(received.headers))
        ids = ledger.rejected.setdefault(rejection.stage, set())
        ids.add(rejection.id)
        # A refused part answers for its parent too: a document's passages, a segment's instruction.
        ids.add(
            rejection.document_id if rejection.stage == Segmenter.stage else rejection.segment_id
        )
        if (rejection.stage, rejection.id, rejection.reason) not in seen:
            seen.add((rejection.stage, rejection.id, rejection.reason))
            ledger.reasons[rejection.stage, rejection.reason] += rejection.count
    for received in replay(cluster, DEAD_LETTERS):
        told = dict(received.headers)
        ledger.dead.add((told[TOPIC].decode(), int(told[PARTITION]), int(told[OFFSET])))
    return ledger
