"""The conservation proof: every document, segment, candidate and scored id is accounted for.

An id is accounted for when its stage wrote its outputs, a rejection or a dead letter, or while it
is in flight (its offset is not committed). Any other id is *lost*, and is named. Messages that
retention deleted before they were read are lost too, without an id.

``docs/audit.md`` says what the proof depends on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from schemas.errors import WireError
from schemas.wire import header_map
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader, Unreadable
from streams.kafka.reading.replay import replay
from streams.kafka.topics import SEGMENTS
from streams.observe.evidence import Evidence, read_evidence
from streams.observe.horizon import Horizon, horizons
from streams.observe.lag import FlowReader, StageLag
from streams.stages.harness.deleted_unread import DeletedUnread
from streams.stages.topology import STAGES, StageSpec

_MOST_NAMED = 100_000
"""Unreadable messages that are named; all are counted."""


class _Fate(Enum):
    """What became of an id; of several messages with it, the first one here counts."""

    FOLLOWED = 0
    REJECTED = 1
    DEAD = 2
    IN_FLIGHT = 3
    UNPROVED = 4
    LOST = 5


@dataclass(frozen=True, slots=True)
class StageAccount:
    """Number of distinct ids on a stage's source topic, by their outcome."""

    stage: str
    ids: int
    followed: int
    """Ids of which something was made. For the curator: that are kept or were retracted by hand."""
    rejected: int
    dead: int
    in_flight: int
    lost: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()
    """Ids without an outcome that are so old that retention may have deleted it."""
    expired: int = 0
    """Messages that were processed, and that the topic no longer holds."""


@dataclass(frozen=True, slots=True)
class UnreadableMessages:
    """Messages that the audit could not read, by topic, and the first of them."""

    counts: Mapping[str, int]
    """Topic, with the prefix, to the number of messages."""
    named: tuple[Unreadable, ...]

    @property
    def total(self) -> int:
        """Their number."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Audit:
    """The accounts of all stages, and the rejections by stage and reason."""

    stages: tuple[StageAccount, ...]
    rejections: Mapping[tuple[str, str], int]
    duplicates: int
    """Messages on ``curated`` beyond the first of each id: those that compaction removes."""
    passages: int = 0
    """Distinct ids on ``segments``."""
    examples: int = 0
    """Examples on ``curated``: ids that are not retracted, of human seeds too."""
    deleted_unread: tuple[DeletedUnread, ...] = ()
    unreadable: UnreadableMessages = UnreadableMessages({}, ())

    @property
    def complete(self) -> bool:
        """Whether nothing is lost."""
        return not self.deleted_unread and not any(stage.lost for stage in self.stages)


@dataclass
class _Unread:
    """Collects what the reader passes over."""

    counts: Counter[str] = field(default_factory=Counter)
    named: list[Unreadable] = field(default_factory=list)

    def note(self, message: Unreadable) -> None:
        self.counts[message.topic] += 1
        if len(self.named) < _MOST_NAMED:
            self.named.append(message)


def audit(
    cluster: Cluster,
    committed: Mapping[tuple[str, str, int], int],
    stages: Sequence[StageSpec] = STAGES,
) -> Audit:
    """Read every topic and account for every id on the sources of ``stages``. Raises BrokerError.

    ``committed`` maps (stage, topic, partition) to the committed offset. Take it *before* the call,
    so that what is written meanwhile is in flight rather than lost.
    """
    unread = _Unread()
    reader = RecordReader(note=unread.note)
    with FlowReader(cluster, stages, list({spec.source for spec in stages})) as flow_reader:
        lags = {lag.stage: lag for lag in flow_reader.read().stages}
    evidence = read_evidence(cluster, reader, stages)
    horizon = horizons(cluster, stages)  # after the evidence: what was deleted since then counts
    accounts = tuple(
        _account(cluster, spec, evidence, horizon[spec.name], committed, reader, lags[spec.name])
        for spec in stages
    )
    return Audit(
        accounts,
        dict(evidence.rejections),
        evidence.duplicates,
        max(
            (a.ids for a, s in zip(accounts, stages, strict=True) if s.source is SEGMENTS),
            default=0,
        ),
        evidence.examples,
        _deleted_unread(evidence, lags.values()),
        UnreadableMessages(dict(unread.counts), tuple(unread.named)),
    )


def _account(
    cluster: Cluster,
    spec: StageSpec,
    evidence: Evidence,
    horizon: Horizon,
    committed: Mapping[tuple[str, str, int], int],
    reader: RecordReader,
    lag: StageLag,
) -> StageAccount:
    fates: dict[int, _Fate] = {}
    names: dict[int, str] = {}
    """Of ids without an outcome."""
    for received in replay(cluster, spec.source):
        id = _id_of(received, spec, reader)
        compacted = spec.source.cleanup == "compact"
        if compacted and received.value is None and id != received.place:
            fates.pop(hash(id), None)  # retracted: nothing is to be made of it
            names.pop(hash(id), None)
            continue
        place = received.topic, received.partition
        if evidence.is_followed(spec.name, id):
            fate = _Fate.FOLLOWED
        elif evidence.is_rejected(spec.name, id):
            fate = _Fate.REJECTED
        elif evidence.is_dead(spec.name, *place, received.offset):
            fate = _Fate.DEAD
        elif received.offset >= committed.get((spec.name, *place), 0):
            fate = _Fate.IN_FLIGHT
        else:
            fate = _Fate.UNPROVED if received.offset < horizon.get(place, 0) else _Fate.LOST
            names[hash(id)] = id
        known = fates.get(hash(id))
        if known is None or fate.value < known.value:
            fates[hash(id)] = fate
    counts = Counter(fates.values())
    return StageAccount(
        spec.name,
        len(fates),
        counts[_Fate.FOLLOWED],
        counts[_Fate.REJECTED],
        counts[_Fate.DEAD],
        counts[_Fate.IN_FLIGHT],
        tuple(sorted(id for key, id in names.items() if fates[key] is _Fate.LOST)),
        tuple(sorted(id for key, id in names.items() if fates[key] is _Fate.UNPROVED)),
        sum(min(one.start, one.committed or 0) for one in lag.partitions),
    )


def _id_of(received: Received, spec: StageSpec, reader: RecordReader) -> str:
    """The id of a message, or its position where it has none that can be read."""
    try:
        if received.undecodable is not None:
            raise WireError(received.undecodable)
        return spec.identify(received.value, header_map(received.headers), received.key).id
    except WireError as error:
        reader.pass_over(received, spec.source.name, error)
        return received.place


def _deleted_unread(evidence: Evidence, lags: Iterable[StageLag]) -> tuple[DeletedUnread, ...]:
    """What the stages have noted, and what they will note, each offset counted once."""
    current = {
        DeletedUnread(lag.stage, one.topic, one.partition, one.committed or 0, one.deleted_unread)
        for lag in lags
        for one in lag.partitions
        if one.deleted_unread
    }
    merged: list[DeletedUnread] = []
    for one in sorted(evidence.deleted_unread | current):
        last = merged[-1] if merged else None
        if last is None or last.place != one.place or one.first > last.end:
            merged.append(one)
        else:
            merged[-1] = replace(last, count=max(last.end, one.end) - last.first)
    return tuple(merged)
