"""What the queries of the store return about the stream: flow, releases, training, dead letters.

Times are seconds since the epoch. Texts are as they came from the topics, and are not to be
trusted: escape them where they are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.judging.judge import OperatingPoint
from schemas.release import Release


class EdgeKind(StrEnum):
    """What flows along an edge."""

    READS = "reads"
    """Messages from a topic to the stage that reads it."""
    WRITES = "writes"
    """Records from a stage to a topic."""
    REFUSES = "refuses"
    """Rejections."""
    BURIES = "buries"
    """Dead letters."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the flow: between a topic and a stage. Topics have their names in the table."""

    source: str
    target: str
    kind: EdgeKind
    count: int
    """READS: messages that were committed, of those that the topic still holds. Else: records that
    were read of the topic.
    """
    per_second: float
    """Smoothed over ten seconds."""
    lag: int = 0
    """READS: messages that are not committed."""
    deleted_unread: int = 0
    """READS: messages that retention deleted before the stage had processed them."""


@dataclass(frozen=True, slots=True)
class FlowView:
    """The stream at one moment. Only committed data count."""

    at: float
    stages: tuple[str, ...]
    topics: Mapping[str, int]
    """Messages that each topic holds."""
    edges: tuple[Edge, ...]
    examples: int
    """Accepted examples, human seeds included."""
    idle: bool
    """Whether every stage has committed everything."""
    in_the_way: Sequence[str] = ()
    """Why what waits is not processed, where that is known."""


@dataclass(frozen=True, slots=True)
class ReadingState:
    """How far the store has followed the topics."""

    read: int
    """Messages that were read, since this process started."""
    behind: int
    """Messages that the topics hold and that were not read yet."""
    unreadable: int
    """Messages that were passed over, since this process started."""
    error: str | None
    """Why the topics cannot be read now, or None."""

    @property
    def caught_up(self) -> bool:
        """Whether everything was read that the topics held."""
        return self.error is None and self.behind == 0


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """An announced release, or a model that rated without having been announced."""

    id: str
    deployed: bool
    """Whether it is the last one that was deployed for its base, and not taken back."""
    rated: int
    """Items that it rated."""
    accepted: int
    """Accepted items whose rating is its."""
    release: Release | None
    """The announcement, with metrics, intervals, term and reason. None where there was none."""


@dataclass(frozen=True, slots=True)
class InUse:
    """What is used of the deployed releases where their files are those of this machine."""

    ids: frozenset[str]
    """Of a release, or of the base where none can be used."""
    refused: Mapping[str, str]
    """Id of each later one to the reason why it cannot be used."""


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Ratings in ``[low, high)``; the last bin includes 5."""

    low: float
    high: float
    accepted: int
    refused: int
    other: int
    """Dropped and waiting."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """The newest ratings of items by one release."""

    release: str
    bins: tuple[ScoreBin, ...]
    ratings: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Items that a release rated in ``[low, high)`` and that a person rated too."""

    low: float
    high: float
    pairs: int
    score: float
    """Mean rating of the release."""
    human: float
    """Mean rating of people."""
    kept_share: float
    """Share that people rated 4 or 5."""
    kept_low: float
    """Lower end of the share's 95% interval (Wilson)."""
    kept_high: float
    promised: float | None
    """Mean precision of these ratings by the judge's calibration; None without a judge."""


class Unknown(StrEnum):
    """Why it is not known what the judge of a release promises."""

    NO_FILES = "the release is neither in the state directory nor in the cache of exports here"
    NO_JUDGE = "the release has no judge"
    REMOTE = (
        "this is a model behind an address, and no judge of it is in the cache here. Without a "
        "judge it rates by digits alone, which promise no precision. Where its server gives "
        "likelihoods, `backstream models judge` fits one"
    )
    DAMAGED_REMOTE = (
        "the judge of this model behind an address cannot be read from the cache here. Fit it "
        "again with `backstream models judge`"
    )


@dataclass(frozen=True, slots=True)
class Promise:
    """What a judge promises: precision by rating, as it was measured when the judge was fitted."""

    curve: tuple[OperatingPoint, ...] = ()
    """Threshold, acceptance, precision and recall; empty where it is not known."""
    unknown: Unknown | None = None
    """Why it is not known."""


NO_FILES = Promise(unknown=Unknown.NO_FILES)


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """How a release's ratings agree with people, and what its judge promises."""

    release: str
    bins: tuple[ReliabilityBin, ...]
    """Bins without pairs are left out."""
    pairs: int
    mean_error: float | None
    """Mean absolute difference of rating and human rating, in points; None without pairs."""
    promise: Promise


@dataclass(frozen=True, slots=True)
class LossPoint:
    """The training loss at a step."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class RunView:
    """A training run in progress."""

    run: str
    step: int
    steps: int
    losses: tuple[LossPoint, ...]
    at: float
    """When it last reported."""
    seconds_left: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingView:
    """Training's progress."""

    seeds: int
    examples: int
    """Accepted examples that models rated."""
    since_release: int
    """Examples that came or were rated again after the newest release was announced."""
    run: RunView | None
    releases: tuple[ReleaseView, ...]
    """The newest first."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter in a list."""

    at: str
    """``PARTITION@OFFSET``, as ``backstream dead-letters`` has it."""
    stage: str
    source: str
    """``TOPIC/PARTITION@OFFSET`` of the message that could not be processed."""
    exception: str
    message: str
    time: float
    bytes: int
    """Size of key and value on the topic."""


@dataclass(frozen=True, slots=True)
class LetterDetails:
    """A dead letter with the beginning of what could not be processed."""

    letter: Letter
    stacktrace: str
    key: str
    """As text; bytes that are not UTF-8 are replaced."""
    value: str
    headers: Mapping[str, str]
