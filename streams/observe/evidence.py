"""What the topics say about each id: what was made of it, or why nothing was.

Every topic is read once. An id is kept as its hash of 64 bits, which takes half the memory of the
text. Two ids of a stream of ten million share one with a probability of 3 in a million.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from agents.plugged import request_of
from agents.refusal import DROPPED
from schemas.record import Record
from schemas.records import (
    Candidate,
    Example,
    ExampleOrigin,
    Preference,
    Provenance,
    Rejection,
    Request,
    Scored,
    Segment,
)
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import (
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    PREFERENCES,
    REJECTED,
    SCORED,
    SEGMENTS,
    TOPICS,
    Topic,
)
from streams.kafka.writing.dead_letters import origin_of, stage_of
from streams.stages.harness.deleted_unread import DELETED_UNREAD, DeletedUnread
from streams.stages.topology import (
    ACCOUNTED_STAGES,
    BACKWARD,
    CURATOR,
    DECIDER,
    EVERY_STAGE,
    PAIRER,
    REWRITER,
    SCORER,
    SEGMENTER,
    STAGES,
    StageSpec,
)

R = TypeVar("R", bound=Record)
_ORDER = {stage.name: TOPICS.index(stage.source) for stage in EVERY_STAGE}
"""Place in the flow."""
_OF_REQUESTS = frozenset(
    stage.name
    for stage in STAGES
    if stage.source.record and issubclass(stage.source.record, Request)
)
"""Stages whose sources hold requests."""


class Evidence:
    """The ids that are accounted for, by stage.

    A record accounts for all that it was made from: an example for its segment and its document
    too. So a document counts as followed also where retention has deleted its segments. A rejection
    accounts for the refused thing in its own stage, and for what it was made from before that.
    """

    def __init__(self, plugged: Collection[StageSpec] = ()) -> None:
        """``plugged`` are the stages of agents of other packages."""
        stages = [stage.name for stage in (*ACCOUNTED_STAGES, *plugged)]
        self._followed: dict[str, set[int]] = {stage: set() for stage in stages}
        self._rejected: dict[str, set[int]] = {stage: set() for stage in stages}
        self._plugged = frozenset(stage.name for stage in plugged)
        self._order = _ORDER | {stage.name: TOPICS.index(stage.source) for stage in plugged}
        self._dead: set[tuple[str, str, int, int]] = set()
        self.rejections: Counter[tuple[str, str]] = Counter()
        """Number of refused things by stage and reason."""
        self.deleted_unread: set[DeletedUnread] = set()
        """What the stages found deleted."""
        self._counted: set[int] = set()
        self._kept: set[int] = set()
        """Ids on ``curated`` whose newest value is an example."""
        self.duplicates = 0
        """Messages on ``curated`` beyond the first of each id."""

    @property
    def examples(self) -> int:
        """Number of examples on ``curated``: ids that are not retracted."""
        return len(self._kept)

    def is_followed(self, stage: str, id: str) -> bool:
        """Whether something was made of what has this id on the stage's source.

        What the curator kept and took back again is not followed: it is rejected.
        """
        if stage == CURATOR.name and hash(id) not in self._kept and self.is_rejected(stage, id):
            return False
        return hash(self._named(stage, id)) in self._followed[stage]

    def is_rejected(self, stage: str, id: str) -> bool:
        """Whether the stage refused it, or a part of it."""
        return hash(self._named(stage, id)) in self._rejected[stage]

    def is_dead(self, stage: str, topic: str, partition: int, offset: int) -> bool:
        """Whether a dead letter of the stage is about this message."""
        return (stage, topic, partition, offset) in self._dead

    def add_segment(self, segment: Segment) -> None:
        """Take in a message of ``segments``."""
        self._follow(SEGMENTER.name, segment.document_id)

    def add_candidate(self, candidate: Candidate) -> None:
        """Take in a message of ``candidates``."""
        self._follow_origin(candidate.provenance)

    def add_scored(self, scored: Scored) -> None:
        """Take in a message of ``scored``."""
        self._follow(SCORER.name, scored.id)
        if scored.ruling is not None:
            self._follow(DECIDER.name, scored.id)
        self._follow_origin(scored.candidate.provenance)

    def add_example(self, id: str, example: Example | None) -> None:
        """Take in a message of ``curated``. A tombstone shows that the id was kept before."""
        self._follow(CURATOR.name, id)
        (self._kept.discard if example is None else self._kept.add)(hash(id))
        if example is not None:
            self._follow(SCORER.name, id)
            if example.ruling is not None or example.origin is ExampleOrigin.SEED:
                self._follow(DECIDER.name, id)
            for made in (example.provenance, *(one.provenance for one in example.alternatives)):
                self._follow_origin(made)

    def add_preference(self, preference: Preference) -> None:
        """Take in a pair of ``preferences``."""
        self._follow(PAIRER.name, preference.example_id)

    def add_rejection(self, rejection: Rejection) -> bool:
        """Take in a message of ``rejected``. False where no stage of this version wrote it."""
        stage = rejection.stage
        if stage not in self._order:
            return False
        if rejection.reason == DELETED_UNREAD:
            return self._add_deleted(rejection)
        if stage in self._rejected:
            self._rejected[stage].add(hash(rejection.id))
        # A rejected part accounts for what it is a part of, or was to be made from.
        if stage == SEGMENTER.name:
            self._rejected[stage].add(hash(rejection.document_id))
        elif stage == BACKWARD.name:
            self._rejected[stage].add(hash(rejection.segment_id))
        elif stage in _OF_REQUESTS or stage in self._plugged:
            self._rejected[stage].add(hash(rejection.request_id))
        else:
            self._follow_request(rejection.request_id)
        if self._order[stage] > _ORDER[SEGMENTER.name]:
            self._follow(SEGMENTER.name, rejection.document_id)
        if self._order[stage] > _ORDER[BACKWARD.name]:
            self._follow(BACKWARD.name, rejection.segment_id)
        if self._order[stage] > _ORDER[SCORER.name]:
            self._follow(SCORER.name, rejection.id)
        if rejection.reason == DROPPED:
            self._follow(DECIDER.name, rejection.id)
        once = hash((stage, rejection.id, rejection.reason))
        if once not in self._counted:
            self._counted.add(once)
            self.rejections[stage, rejection.reason] += rejection.count
        return True

    def add_dead(self, stage: str, topic: str, partition: int, offset: int) -> None:
        """Take in a dead letter of a stage, about this message."""
        self._dead.add((stage, topic, partition, offset))

    def _add_deleted(self, rejection: Rejection) -> bool:
        found = DeletedUnread.of(rejection)
        if found is None:
            return False
        if found.stage in self._rejected:  # a re-rating that missed a candidate lost none
            self.deleted_unread.add(found)
        return True

    def _follow_origin(self, provenance: Provenance) -> None:
        self._follow(SEGMENTER.name, provenance.document_id)
        self._follow(BACKWARD.name, provenance.segment_id)
        self._follow_request(provenance.request_id)
        if provenance.original is not None:
            for stage in (SCORER.name, CURATOR.name, REWRITER.name):
                self._follow(stage, provenance.original.id)

    def _named(self, stage: str, id: str) -> str:
        """What candidates and rejections call a record of the stage's source."""
        return request_of(stage, id) if stage in self._plugged else id

    def _follow_request(self, id: str) -> None:
        agent, made, _ = id.partition("/")
        if made and agent in self._plugged:
            self._follow(agent, id)
            return
        for stage in _OF_REQUESTS:  # an id is of one of them only
            self._follow(stage, id)

    def _follow(self, stage: str, id: str) -> None:
        if id:
            self._followed[stage].add(hash(id))


def read_evidence(
    cluster: Cluster, reader: RecordReader, stages: Collection[StageSpec] = STAGES
) -> Evidence:
    """Read every topic that these stages write to. Raises BrokerError."""
    plugged = [stage for stage in stages if stage.plugged]
    evidence, sources = Evidence(plugged), _sources_of(cluster, plugged)
    _read(cluster, reader, SEGMENTS, Segment, evidence.add_segment)
    _read(cluster, reader, CANDIDATES, Candidate, evidence.add_candidate)
    _read(cluster, reader, SCORED, Scored, evidence.add_scored)
    _read_curated(cluster, reader, evidence)
    if PAIRER in stages:
        _read_preferences(cluster, reader, evidence)
    for received in replay(cluster, REJECTED):
        rejection = reader.read_record(received, Rejection)
        if rejection is None:
            continue
        lost = DeletedUnread.of(rejection) if rejection.reason == DELETED_UNREAD else None
        if lost is not None and sources.get(lost.stage) != lost.topic:
            reader.pass_over(received, REJECTED.name, _foreign(lost.topic, lost.stage))
        elif not evidence.add_rejection(rejection):
            reader.pass_over(received, REJECTED.name, "a rejection of no stage of this version")
    _read_dead_letters(cluster, reader, evidence, sources)
    return evidence


def _sources_of(cluster: Cluster, plugged: Collection[StageSpec]) -> Mapping[str, str]:
    """Map the stages to their topics, by their names on the cluster."""
    return {spec.name: cluster.topic(spec.source) for spec in (*EVERY_STAGE, *plugged)}


def _foreign(topic: str, stage: str | None) -> str:
    return f"it came from {topic!r} and the stage {stage!r}, which are not of this deployment"


def _read(
    cluster: Cluster,
    reader: RecordReader,
    topic: Topic,
    kind: type[R],
    add: Callable[[R], None],
) -> None:
    for received in replay(cluster, topic):
        record = reader.read_record(received, kind)
        if record is not None:
            add(record)


def _read_curated(cluster: Cluster, reader: RecordReader, evidence: Evidence) -> None:
    ids: set[int] = set()
    messages = 0
    for received in replay(cluster, CURATED):
        entry = reader.read_entry(received, Example)
        if entry is None:
            continue
        evidence.add_example(entry.id, entry.record)
        if entry.record is not None:
            ids.add(hash(entry.id))
            messages += 1
    evidence.duplicates = messages - len(ids)


def _read_preferences(cluster: Cluster, reader: RecordReader, evidence: Evidence) -> None:
    for received in replay(cluster, PREFERENCES):
        entry = reader.read_entry(received, Preference)
        if entry is not None and entry.record is not None:
            evidence.add_preference(entry.record)


def _read_dead_letters(
    cluster: Cluster, reader: RecordReader, evidence: Evidence, sources: Mapping[str, str]
) -> None:
    for letter in replay(cluster, DEAD_LETTERS):
        stage, origin = stage_of(letter), origin_of(letter)
        if letter.undecodable is not None:
            reader.pass_over(letter, DEAD_LETTERS.name, letter.undecodable)
        elif origin is None:
            reader.pass_over(letter, DEAD_LETTERS.name, "its headers do not say where it came from")
        elif stage is None or sources.get(stage) != origin.topic:
            reader.pass_over(letter, DEAD_LETTERS.name, _foreign(origin.topic, stage))
        else:
            evidence.add_dead(stage, *origin)
