"""Examples and what became of the others, from the topics of a stream.

Each topic is read once: ``curated``, ``rejected``, ``scored``, ``ratings``, ``decisions``, and for
the places of the samples ``segments``. Memory holds a cut item for each example and a few numbers
for each rated pair.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from agents.curator import Curator
from schemas.ids import hash_fraction
from schemas.records import Example, Rejection, Scored, Segment
from streams.data.decisions import read_decisions
from streams.data.ratings import read_ratings
from streams.kafka.cluster import Cluster
from streams.kafka.reading.newest import newest_values
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CURATED, REJECTED, SCORED, SEGMENTS
from streams.observe.lag import FlowReader
from streams.report.content import Named, Stage
from streams.report.gathering.gathered import Gathered, Newest, Refused
from streams.report.gathering.item import Item, item_of_example, item_of_scored
from streams.stages.topology import EVERY_STAGE, STAGES

_SAMPLES = 6
"""Refused pairs of each reason that are remembered, of which some are kept by now."""
_SHOWN = 2


@dataclass
class _Rejections:
    """Rejections, each counted once, and a few ids of each reason of the curator's."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """By stage, then by reason."""
    drawn: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)
    """By reason: those with the smallest hash of the id."""
    _seen: set[int] = field(default_factory=set)

    def add(self, rejection: Rejection) -> None:
        once = hash((rejection.stage, rejection.id, rejection.reason))
        if once in self._seen:
            return
        self._seen.add(once)
        self.counts.setdefault(rejection.stage, Counter())[rejection.reason] += rejection.count
        if rejection.stage == Curator.stage:
            drawn = self.drawn.setdefault(rejection.reason, [])
            one = (-hash_fraction(rejection.id), rejection.id, rejection.detail)
            (heapq.heappush if len(drawn) < _SAMPLES else heapq.heappushpop)(drawn, one)


def read_topics(cluster: Cluster, threshold: float) -> Gathered:
    """Read the topics. ``threshold`` is the setting's. Raises BrokerError."""
    reader = RecordReader()
    items = newest_values(cluster, Example, item_of_example, reader)
    rejections = _Rejections()
    for received in replay(cluster, REJECTED):
        if (rejection := reader.read_record(received, Rejection)) is not None:
            rejections.add(rejection)
    wanted = {
        id: (reason, detail)
        for reason, drawn in rejections.drawn.items()
        for _, id, detail in drawn
        if id not in items
    }
    ratings: dict[str, Newest] = {}
    texts: dict[str, Item] = {}
    for received in replay(cluster, SCORED):
        if (scored := reader.read_record(received, Scored)) is None:
            continue
        one = scored.rating
        if scored.id not in ratings or one.term >= ratings[scored.id].term:
            good = min(1.0, max(0.0, one.probabilities[3] + one.probabilities[4]))
            ratings[scored.id] = Newest(one.term, one.release, one.score, good, one.precision)
            if scored.id in wanted:
                texts[scored.id] = item_of_scored(scored)
    with FlowReader(cluster) as flow:
        messages = dict(flow.read().messages)
    messages[SCORED.name] = len(ratings)
    return Gathered(
        about=f"{cluster.topic(CURATED)} at {cluster.address}",
        items=list(items.values()),
        from_stream=True,
        threshold=threshold,
        stages=_stages(messages, rejections.counts),
        ratings=ratings,
        human=read_ratings(cluster, reader),
        decisions=read_decisions(cluster, reader),
        refused=_refused(wanted, texts),
    )


def read_positions(cluster: Cluster, segment_ids: Collection[str]) -> dict[str, int]:
    """The numbers of passages in their documents, of those that are on ``segments`` still.

    Raises BrokerError.
    """
    reader, found = RecordReader(), dict[str, int]()
    keys = {id.encode() for id in segment_ids if id}
    for received in replay(cluster, SEGMENTS) if keys else ():
        if received.key in keys and (segment := reader.read_record(received, Segment)):
            found[segment.id] = segment.position
    return found


def _stages(messages: Mapping[str, int], counts: Mapping[str, Counter[str]]) -> list[Stage]:
    """The stages that read or refused something, in flow order, then those of other packages."""
    sources = {spec.name: spec.source.name for spec in EVERY_STAGE}
    always = {spec.name for spec in STAGES}
    names = [*sources, *sorted(counts.keys() - sources.keys())]
    return [
        Stage(
            stage=name,
            source=sources.get(name, ""),
            read=messages.get(sources.get(name, ""), 0),
            refused=tuple(
                Named(name=reason, count=count)
                for reason, count in sorted(
                    counts.get(name, Counter()).items(), key=lambda one: (-one[1], one[0])
                )
            ),
        )
        for name in names
        if name in counts or (name in always and messages.get(sources[name]))
    ]


def _refused(wanted: Mapping[str, tuple[str, str]], texts: Mapping[str, Item]) -> list[Refused]:
    shown: Counter[str] = Counter()
    found = []
    for id, (reason, detail) in sorted(wanted.items(), key=lambda one: hash_fraction(one[0])):
        if id in texts and shown[reason] < _SHOWN:
            shown[reason] += 1
            found.append(Refused(texts[id], f"{reason}: {detail}" if detail else reason))
    return sorted(found, key=lambda one: one.reason)
