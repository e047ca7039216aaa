"""The conservation proof: every document, segment, candidate and scored id is accounted for.

An id is accounted for when its stage wrote its outputs, a rejection or a dead letter, or while it
is in flight (its offset is not committed). Any other id is *lost*, and is named.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from agents.backward import Backward
from agents.curator import Curator
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from schemas.errors import WireError
from schemas.records import Candidate, Example, Record, Rejection, Scored, Segment
from schemas.wire import header_map
from streams.kafka.cluster import Cluster
from streams.kafka.dead_letters import origin_of
from streams.kafka.reading import RecordReader
from streams.kafka.replay import replay
from streams.kafka.topics import (
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    REJECTED,
    SCORED,
    SEGMENTS,
    Topic,
)
from streams.stages.topology import STAGES, StageSpec

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class StageAccount:
    """Number of distinct ids on a stage's source topic, by their outcome."""

    stage: str
    ids: int
    followed: int
    """Ids whose outputs were written; for the curator: kept."""
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
    """Messages on ``curated`` beyond the first of each id: those that compaction removes."""

    @property
    def complete(self) -> bool:
        """Whether nothing is lost."""
        return not any(stage.lost for stage in self.stages)


@dataclass
class _Ledger:
    """Rejections and dead letters, read once."""

    rejected: dict[str, set[str]] = field(default_factory=dict)
    """Stage to the ids that it rejected, and the parents of those."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: set[tuple[str, int, int]] = field(default_factory=set)


def audit(
    cluster: Cluster,
    committed: Mapping[tuple[str, str, int], int],
    reader: RecordReader | None = None,
) -> Audit:
    """Read every topic and account for every id. Raises BrokerError.

    ``committed`` maps (stage, topic, partition) to the committed offset. Take it *before* the call,
    so that what is written meanwhile is in flight rather than lost.
    """
    reader = reader or RecordReader()
    ledger = _read_ledger(cluster, reader)
    segments = _parents(cluster, reader, SEGMENTS, Segment, lambda segment: segment.document_id)
    candidates = _parents(
        cluster, reader, CANDIDATES, Candidate, lambda candidate: candidate.provenance.segment_id
    )
    scored = _parents(cluster, reader, SCORED, Scored, lambda one: one.id)
    curated, messages = _curated(cluster, reader)
    followed = {
        Segmenter.stage: segments,
        Backward.stage: candidates,
        Scorer.stage: scored,
        Curator.stage: curated,
    }
    accounts = tuple(
        _account(cluster, spec, followed[spec.name], ledger, committed) for spec in STAGES
    )
    return Audit(accounts, dict(ledger.reasons), messages - len(curated))


def _account(
    cluster: Cluster,
    spec: StageSpec,
    followed: set[str],
    ledger: _Ledger,
    committed: Mapping[tuple[str, str, int], int],
) -> StageAccount:
    stage = spec.name
    fates: dict[str, str] = {}
    for received in replay(cluster, spec.source):
        in_flight = received.offset >= committed.get((stage, received.topic, received.partition), 0)
        try:
            id = spec.decode(received.value, header_map(received.headers), received.key).id
        except WireError:
            id = f"{received.topic}/{received.partition}@{received.offset}"
        if id in followed:
            fates[id] = "followed"
        elif id in ledger.rejected.get(stage, ()):
            fates[id] = "rejected"
        elif (received.topic, received.partition, received.offset) in ledger.dead:
            fates[id] = "dead"
        elif fates.get(id) != "dead":
            fates[id] = "in_flight" if in_flight else "lost"
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


def _parents(
    cluster: Cluster,
    reader: RecordReader,
    topic: Topic,
    kind: type[R],
    parent: Callable[[R], str],
) -> set[str]:
    return {
        parent(record)
        for received in replay(cluster, topic)
        if (record := reader.read_record(received, kind)) is not None
    }


def _curated(cluster: Cluster, reader: RecordReader) -> tuple[set[str], int]:
    """Ids on ``curated``, retracted ones included, and the number of messages that hold one."""
    ids: set[str] = set()
    messages = 0
    for received in replay(cluster, CURATED):
        entry = reader.read_entry(received, Example)
        if entry is not None and entry.record is not None:
            ids.add(entry.id)
            messages += 1
    return ids, messages


def _read_ledger(cluster: Cluster, reader: RecordReader) -> _Ledger:
    ledger = _Ledger()
    seen: set[tuple[str, str, str]] = set()
    for received in replay(cluster, REJECTED):
        rejection = reader.read_record(received, Rejection)
        if rejection is None:
            continue
        ids = ledger.rejected.setdefault(rejection.stage, set())
        ids.add(rejection.id)
        # A rejected part answers for its parent too: a document's passages, a segment's candidate.
        by_segmenter = rejection.stage == Segmenter.stage
        ids.add(rejection.document_id if by_segmenter else rejection.segment_id)
        if (rejection.stage, rejection.id, rejection.reason) not in seen:
            seen.add((rejection.stage, rejection.id, rejection.reason))
            ledger.reasons[rejection.stage, rejection.reason] += rejection.count
    for letter in replay(cluster, DEAD_LETTERS):
        origin = origin_of(letter)
        if origin is None:
            reader.pass_over(letter, DEAD_LETTERS.name, "its headers do not say where it came from")
        else:
            ledger.dead.add(origin)
    return ledger
