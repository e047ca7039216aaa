"""What ``status`` shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.remote.usage import Usage
from streams.observe.acceptance import Acceptance
from streams.observe.mix import MixTally
from streams.quantities import as_count, as_duration
from streams.releases.rerating import Rerating


@dataclass(frozen=True, slots=True)
class StageStatus:
    """A stage's lag and rate."""

    stage: str
    topic: str
    done: int
    lag: int
    per_second: float
    workers: int
    """Workers that are members of the stage's consumer group."""
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
            return "nothing was done just now" if self.workers else "no worker runs it"
        return f"about {as_duration(self.seconds_left or 0)} left at this rate"

    @property
    def seconds_left(self) -> float | None:
        """How long the messages that are there will take. None where nothing is being done."""
        if not self.lag:
            return 0.0
        return self.lag / self.per_second if self.per_second else None


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """The budget of models behind addresses; None for no limit."""

    tokens: int | None
    cost: float | None

    def spent(self, remote: Mapping[str, Usage]) -> str | None:
        """Which setting's budget is used up, with its value. None where none is."""
        tokens, cost = _charged(remote)
        if self.tokens is not None and self.tokens <= tokens:
            return f"remote.budget_tokens, {self.tokens:,}"
        if self.cost is not None and self.cost <= cost:
            return f"remote.budget_cost, {self.cost:g}"
        return None

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
        tokens, cost = _charged(remote)
        if self.tokens is not None:
            lines.append(f"remote budget: {tokens:,} of {self.tokens:,} tokens")
        if self.cost is not None:
            lines.append(f"remote budget: a cost of {cost:.4g} of {self.cost:g}")
        return lines


def _charged(remote: Mapping[str, Usage]) -> tuple[int, float]:
    """Tokens and cost that count against the budget, of all roles."""
    used = remote.values()
    return sum(one.charged_tokens for one in used), sum(one.charged_cost for one in used)


@dataclass(frozen=True, slots=True)
class Status:
    """The stream at one moment. The field names are those of ``status --json``."""

    broker: str
    stages: Sequence[StageStatus]
    messages: Mapping[str, int]
    """Topic, with the prefix, to the number of messages that it holds; of ``curated``, of examples.

    Offsets are counted, but examples are read. Where that takes too long, ``curated`` is left out.
    """
    release: str | None
    """Id of the deployed release that can be used here, or of the base.

    None before the first release where ``settings.model`` has not been exported here.
    """
    refused: Mapping[str, str]
    """Id of each later deployed release to the reason why it cannot be used here."""
    pinned: Mapping[str, str]
    """Role to the model that the settings fix for it."""
    releases: int
    """Number of releases that were announced."""
    deployed: int
    """Number of these that were deployed and not taken back. The others were kept back."""
    rerating: Rerating | None
    remote: Mapping[str, Usage]
    """Role to what its models behind addresses have used, as far as this state directory knows."""
    remote_limits: RemoteLimits
    acceptance: Acceptance | None
    """What the curator's rating rule accepts of the last ratings. None where there are none."""
    mix: MixTally | None
    """The categories of the last examples. None where none has one."""
    dead_letters: int
    in_the_way: Sequence[str]
    """What keeps the stream from going on, and what to do about it."""

    @property
    def seconds_left(self) -> float | None:
        """How long the slowest stage needs for what lies before it. None where it does nothing."""
        left = [stage.seconds_left for stage in self.stages]
        return None if None in left else max((one or 0.0 for one in left), default=0.0)

    def summary(self) -> str:
        """Return the whole stream on one line."""
        to_do = sum(stage.lag for stage in self.stages)
        if not to_do:
            left = "up to date"
        elif self.seconds_left is None:
            left = f"{to_do:,} to do, and a stage does nothing"
        else:
            left = f"{to_do:,} to do, about {as_duration(self.seconds_left)} left at this rate"
        parts = [left, *(f"{topic} {count:,}" for topic, count in self.messages.items() if count)]
        return " · ".join(parts)

    def as_text(self) -> str:
        """Return the status as lines for a terminal."""
        if not self.deployed:
            kept = f" ({as_count(self.releases, 'release')} kept back)" if self.releases else ""
            deployed = (
                f"no release is deployed{kept}: workers serve the model that they were started with"
            )
        elif self.release:
            deployed = f"{self.release} is deployed"
        else:
            deployed = (
                "and which release is deployed is not known: the model of --model is not exported "
                "on this machine"
            )
        lines = [f"broker {self.broker}, {deployed}"]
        lines += [
            f"{id} was deployed, and is not used here: {reason}"
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
        counts = "   ".join(f"{topic} {count:,}" for topic, count in self.messages.items())
        lines.append(f"messages, and of curated examples:   {counts}")
        lines += [f"in the way: {one}" for one in self.in_the_way]
        return "\n".join(lines)
