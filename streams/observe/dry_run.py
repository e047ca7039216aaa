"""What other settings of the curation would keep of the pairs that were rated, without a model.

A curator with these settings judges every rating that ``scored`` holds, in its order, after the
human seeds. So the result is what a stream with these settings would have on ``curated`` now.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.curation.example_rules import ExampleRules
from agents.curation.personal_data import count_masks
from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.outcomes import Retraction
from schemas.records import Decision, Example, ExampleOrigin, Rejection, Scored
from streams.data.decisions import read_decisions
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CURATED, REJECTED, SCORED
from streams.observe.lag import FlowReader

NOT_CURATED = "not_curated_yet"
"""What stands in place of a rule for a pair that the curator has not processed yet."""
NO_OUTCOME = "no_outcome"
"""The same for one that is neither kept nor rejected: it was retracted by hand, or its rejection
is not there any more.
"""
_NAMED = 1000
"""Most pairs that are remembered as gained or lost, each."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A pair that one of the settings keeps and the other does not."""

    id: str
    instruction: str
    score: float
    reason: str
    """The rule that refuses it, before where it is gained, and after where it is lost."""
    detail: str


@dataclass
class DryRun:
    """The pairs by what became of them, and by what would become of them."""

    seeds: int = 0
    pairs: int = 0
    """Rated pairs: different ids on ``scored``."""
    kept: int = 0
    kept_after: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Pairs by the rule that refused them last."""
    refused_after: dict[str, int] = field(default_factory=dict)
    masked: int = 0
    """Places of kept examples that are masked."""
    masked_after: int = 0
    gained: list[Moved] = field(default_factory=list)
    """The first pairs that are not kept and would be."""
    gained_count: int = 0
    lost: list[Moved] = field(default_factory=list)
    """The first pairs that are kept and would not be."""
    lost_count: int = 0


class _Fates:
    """What became of each pair: the newest example, or else the last rejection."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        """Id of a kept example to the number of its masked places."""
        self.refused: dict[str, tuple[str, str]] = {}
        """Id to rule and detail."""

    def note(self, outcome: Example | Rejection | Retraction) -> None:
        if isinstance(outcome, Example):
            self.kept[outcome.id] = count_masks(outcome)
        elif isinstance(outcome, Rejection):
            self.refused[outcome.id] = outcome.reason, outcome.detail
        else:
            self.kept.pop(outcome.id, None)

    def of(self, id: str, otherwise: str = NO_OUTCOME) -> tuple[str, str]:
        """Rule and detail of a pair; the rule is empty where it is kept."""
        return ("", "") if id in self.kept else self.refused.get(id, (otherwise, ""))


class Comparison:
    """Takes in what the topics hold, in this order: examples, rejections, ratings."""

    def __init__(
        self,
        settings: CuratorSettings,
        *,
        rewriting: bool = False,
        decisions: Sequence[Decision] = (),
    ) -> None:
        """``rewriting``: see ``Curator``. ``decisions`` are people's, which outrank all settings.

        Raises SettingsError where a file that the settings name cannot be read.
        """
        self._rewriting, self._decisions = rewriting, decisions
        self._settings, self._rules = settings, ExampleRules(settings)
        self._curators: dict[int, Curator] = {}
        self._seeds: set[str] = set()
        self._before = _Fates()
        self._after = _Fates()
        self._pairs: dict[str, tuple[str, float]] = {}
        """Instruction and score of each rated pair by id."""
        self._in_flight: set[str] = set()

    def add_example(self, partition: int, id: str, example: Example | None) -> None:
        """Take in a message of ``curated``. Human seeds count for novelty."""
        if example is None:
            self._before.note(Retraction(id))
        elif example.origin is ExampleOrigin.AUGMENTED:
            self._before.note(example)
            return
        if example is None and id not in self._seeds:
            return
        self._curator(partition).restore(id, example)
        (self._seeds.add if example else self._seeds.discard)(id)

    def add_rejection(self, rejection: Rejection) -> None:
        """Take in a message of ``rejected``."""
        if rejection.stage == Curator.stage:
            self._before.note(rejection)

    async def add_rating(self, partition: int, scored: Scored, in_flight: bool) -> None:
        """Take in a message of ``scored``; ``in_flight``: the curator has yet to process it."""
        if in_flight and scored.id not in self._pairs:
            self._in_flight.add(scored.id)
        self._pairs[scored.id] = scored.candidate.instruction, scored.rating.score
        for outcome in await self._curator(partition).handle(scored):
            self._after.note(outcome)

    def result(self) -> DryRun:
        """Compare what is with what would be."""
        found = DryRun(seeds=len(self._seeds), pairs=len(self._pairs))
        refused: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        for id, (instruction, score) in self._pairs.items():
            in_flight = id in self._in_flight
            before = self._before.of(id, NOT_CURATED if in_flight else NO_OUTCOME)
            # What was retracted by hand stays so.
            after = before if before[0] == NO_OUTCOME else self._after.of(id)
            for count, (rule, _) in zip(refused, (before, after), strict=True):
                count[rule] += 1
            found.kept += not before[0]
            found.kept_after += not after[0]
            found.masked += 0 if before[0] else self._before.kept[id]
            found.masked_after += 0 if after[0] else self._after.kept[id]
            if before[0] and not after[0]:
                found.gained_count += 1
                _add(found.gained, Moved(id, instruction, score, *before))
            elif after[0] and not before[0]:
                found.lost_count += 1
                _add(found.lost, Moved(id, instruction, score, *after))
        found.refused, found.refused_after = (
            {rule: number for rule, number in count.items() if rule} for count in refused
        )
        return found

    def _curator(self, partition: int) -> Curator:
        found = self._curators.get(partition)
        if found is None:
            found = self._curators[partition] = Curator(
                self._settings, self._rules, rewriting=self._rewriting
            )
            for decision in self._decisions:
                found.restore_ruling(decision)
        return found


def dry_run(cluster: Cluster, settings: CuratorSettings, *, rewriting: bool = False) -> DryRun:
    """Read the topics and compare. Raises BrokerError, and SettingsError for a file."""
    reader = RecordReader()
    decisions = read_decisions(cluster, reader)
    comparison = Comparison(settings, rewriting=rewriting, decisions=decisions)
    with FlowReader(cluster) as flow_reader:
        committed = flow_reader.committed()
    for received in replay(cluster, CURATED):
        if (entry := reader.read_entry(received, Example)) is not None:
            comparison.add_example(received.partition, entry.id, entry.record)
    for received in replay(cluster, REJECTED):
        if (rejection := reader.read_record(received, Rejection)) is not None:
            comparison.add_rejection(rejection)
    asyncio.run(_rate(cluster, comparison, reader, committed))
    return comparison.result()


async def _rate(
    cluster: Cluster,
    comparison: Comparison,
    reader: RecordReader,
    committed: Mapping[tuple[str, str, int], int],
) -> None:
    for received in replay(cluster, SCORED):
        if (scored := reader.read_record(received, Scored)) is not None:
            done = committed.get((Curator.stage, received.topic, received.partition), 0)
            await comparison.add_rating(received.partition, scored, received.offset >= done)


def _add(moved: list[Moved], one: Moved) -> None:
    if len(moved) < _NAMED:
        moved.append(one)
