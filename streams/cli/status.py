"""What ``status`` shows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.releases.release import read_manifest
from models.remote.usage import Usage, read_usage
from streams.kafka.topics import CURATED, TOPICS
from streams.observe.acceptance import Acceptance, read_acceptance
from streams.observe.example_count import ExampleCount
from streams.observe.lag import FlowReader
from streams.observe.mix import MixTally, read_mix
from streams.observe.progress import Rates
from streams.observe.quantities import as_count, as_duration
from streams.releases.announcements import read_releases
from streams.releases.rerating import Rerating, rerating
from streams.releases.serving import other_base, passed_over, serving_of
from streams.releases.store import release_store
from streams.settings import Role, Settings
from streams.stages.topology import stages_of

_RATE_SECONDS = 1.0
_COUNT_SECONDS = 10.0
"""For counting examples."""


@dataclass(frozen=True, slots=True)
class StageStatus:
    """A stage's lag and rate."""

    stage: str
    topic: str
    done: int
    lag: int
    per_second: float
    deleted_unread: Mapping[int, int]
    """Partition to the number of messages that were deleted before they were read, where any."""
    held: Mapping[int, int]
    """Partition to the number of offsets that an open transaction keeps from being read."""

    def as_text(self) -> str:
        """Return one line, and another one for each partition with a loss or a transaction."""
        lines = [
            f"{self.stage:10} {self.done:>9,} done  {self.lag:>9,} to do  "
            f"{self.per_second:>8.1f}/s   reads {self.topic}: {self._state}"
        ]
        lines += [
            f"  lost: {as_count(count, 'message')} of {self.topic}/{partition} deleted by its "
            "retention before the stage had processed them"
            for partition, count in self.deleted_unread.items()
        ]
        lines += [
            f"  held: {as_count(count, 'offset')} of {self.topic}/{partition} cannot be read "
            "before an open transaction ends; kafka-transactions.sh find-hanging names those that "
            "are stuck"
            for partition, count in self.held.items()
        ]
        return "\n".join(lines)

    @property
    def _state(self) -> str:
        if not self.lag:
            return "up to date"
        if not self.per_second:
            return "nothing was done in the last second"
        return f"about {as_duration(self.lag / self.per_second)} left at this rate"


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """The budget of models behind addresses; None for no limit."""

    tokens: int | None
    cost: float | None

    def as_text(self, remote: Mapping[str, Usage]) -> list[str]:
        """Return a line for each role, and one for the budget."""
        lines = [
            f"remote {role}: {usage.requests:,} requests, {usage.prompt_tokens:,} tokens read and "
            f"{usage.completion_tokens:,} written"
            + (f", cost {usage.cost:.4g}" if usage.cost else "")
            + (
                f"; up to {usage.unanswered_tokens:,} more without an answer"
                if usage.unanswered_tokens
                else ""
            )
            for role, usage in remote.items()
        ]
        if self.tokens is not None:
            charged = sum(usage.charged_tokens for usage in remote.values())
            lines.append(f"remote budget: {charged:,} of {self.tokens:,} tokens")
        if self.cost is not None:
            cost = sum(usage.charged_cost for usage in remote.values())
            lines.append(f"remote budget: a cost of {cost:.4g} of {self.cost:g}")
        return lines


@dataclass(frozen=True, slots=True)
class Status:
    """The stream at one moment. The field names are those of ``status --json``."""

    broker: str
    stages: Sequence[StageStatus]
    messages: Mapping[str, int]
    """Topic, with the prefix, to the number of messages that it holds; of ``curated``, of examples.

    Offsets are counted, but examples are read. Where that takes too long, ``curated`` is left out.
    """
    release: str
    """Id of the release in service that can be used here, or of the base."""
    refused: Mapping[str, str]
    """Id of each later release in service to the reason why it cannot be used here."""
    pinned: Mapping[str, str]
    """Role to the model that the settings fix for it."""
    releases: int
    """Number of releases that were announced."""
    rerating: Rerating | None
    remote: Mapping[str, Usage]
    """Role to what its models behind addresses have used, as far as this state directory knows."""
    remote_limits: RemoteLimits
    acceptance: Acceptance | None
    """What the curator's rating rule accepts of the last ratings. None where there are none."""
    mix: MixTally | None
    """The categories of the last examples. None where none has one."""

    def as_text(self) -> str:
        """Return the status as lines for a terminal."""
        lines = [f"broker {self.broker}, release in service {self.release}"]
        lines += [
            f"{id} was put into service, and is not used here: {reason}"
            for id, reason in self.refused.items()
        ]
        lines += [f"the {role} role is pinned to {name}" for role, name in self.pinned.items()]
        lines += self.remote_limits.as_text(self.remote)
        if self.rerating is not None:
            found = self.rerating
            lines.append(
                f"{found.release} has rated {found.done:,} of {found.total:,} candidates again"
            )
        if self.acceptance is not None:
            lines.append(str(self.acceptance))
        if self.mix is not None:
            lines.append(str(self.mix))
        lines += [stage.as_text() for stage in self.stages]
        lines.append("   ".join(f"{topic} {count:,}" for topic, count in self.messages.items()))
        return "\n".join(lines)


def read_status(settings: Settings, base: Path) -> Status:
    """Read the status from the broker; ``base`` is the directory of ``settings.model``.

    Takes a second, in which the rates are measured, and up to ten where ``curated`` is large.
    Raises BrokerError.
    """
    kafka = settings.kafka
    cluster = kafka.cluster()
    with FlowReader(cluster, stages_of(settings)) as reader, ExampleCount(cluster) as count:
        rates, started = Rates(), time.monotonic()
        rates.update(reader.read())
        examples = count.read(_COUNT_SECONDS)
        time.sleep(max(0.0, _RATE_SECONDS - (time.monotonic() - started)))
        flow = reader.read()
        rates.update(flow)
    messages = {cluster.topic(topic): flow.messages[topic.name] for topic in TOPICS}
    if count.complete:
        messages[cluster.topic(CURATED)] = examples
    else:
        del messages[cluster.topic(CURATED)]
    releases = read_releases(cluster)
    base_id = read_manifest(base).id
    found = serving_of(releases, base_id, release_store(settings))
    serving, refused = found.release, found.refused
    if (other := passed_over(releases, base_id)) is not None:
        refused = {other.id: str(other_base(other, base_id))}
    progress = None
    if serving is not None and settings.rates_again:
        progress = rerating(cluster, serving, settings.rerating.after_seconds)
    return Status(
        broker=kafka.bootstrap_servers,
        stages=[
            StageStatus(
                stage.stage,
                stage.topic,
                stage.done,
                stage.lag,
                round(rates.per_second.get(stage.stage, 0.0), 2),
                {
                    one.partition: one.deleted_unread
                    for one in stage.partitions
                    if one.deleted_unread
                },
                {one.partition: one.held for one in stage.partitions if one.held},
            )
            for stage in flow.stages
        ],
        messages=messages,
        release=serving.id if serving else base_id,
        refused=refused,
        pinned={str(role): name for role in Role if (name := settings.pinned(role))},
        releases=len(releases),
        rerating=progress,
        remote=read_usage(settings.usage_file),
        remote_limits=RemoteLimits(settings.remote.budget_tokens, settings.remote.budget_cost),
        acceptance=read_acceptance(cluster, settings),
        mix=read_mix(cluster, settings.curation.mix),
    )
