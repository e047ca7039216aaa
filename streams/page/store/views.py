"""What the queries of the store return. Times are seconds since the epoch.

Texts are as they came from the topics, and are not to be trusted: escape them where they are shown.
They are cut, never longer than the lengths given here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.judging.judge import OperatingPoint
from schemas.records import Alternative, Example, HumanRating, Original, Rating, Scored
from schemas.release import Release
from schemas.ruling import Texts
from schemas.turns import Turn
from streams.page.store.filters import Kind, Verdict

PREVIEW_CHARACTERS = 400
"""Longest text of an item in a list."""
TEXT_CHARACTERS = 200_000
"""Longest text of an item, and of a passage, on its own."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a list. Texts are empty where there are none."""

    id: str
    kind: Kind
    verdict: Verdict
    at: float
    """When what is known of it last changed."""
    stage: str
    """The stage that refused it; empty where none did."""
    reason: str
    """Code of the refusal; empty where it was not refused."""
    detail: str
    count: int
    """Number of refused things that share this refusal; 1 for all but short passages."""
    score: float | None
    """The rating that counts, 1 to 5."""
    human_score: int | None
    """A person's rating, 1 to 5."""
    decision: str
    """``drop``, ``accept`` or ``edit`` by a person; empty where there is no decision."""
    by: str
    """Who decided."""
    awaited: bool
    """Whether workers have not done yet what was decided: ``curated`` is as it was before."""
    source: str
    category: str
    language: str
    generator: str
    """The stage that made the candidate; ``seed`` for human seeds."""
    release: str
    """The release whose rating counts."""
    instruction: str
    """Its beginning; see PREVIEW_CHARACTERS. Empty for what is not an example."""
    response: str
    """Beginning of the response, of the refused passage, or of the request's instruction."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rejection, the newest of its stage."""

    stage: str
    reason: str
    detail: str
    count: int
    release: str
    score: float | None
    at: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A segment and its place in the document."""

    id: str
    document_id: str
    source: str
    position: int
    """Number of the passage in the document, from 0; those that were refused are numbered too."""
    passages: int
    """Number of the document's passages that the segmenter kept."""
    headings: tuple[str, ...]
    """The headings above it, outermost first."""
    text: str
    context: str
    language: str
    neighbours: tuple[str, ...]
    """Innermost headings of the passages around it, nearest first."""
    previous: str
    """Beginning of the passage before it in the document; empty where it is not known."""
    following: str
    """Beginning of the passage after it."""


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """A document, without its text, and where it lies on its topic."""

    id: str
    source: str
    title: str
    media_type: str
    bytes: int
    """Size on its topic."""
    partition: int
    offset: int
    accepted: int
    """Number of accepted examples of it."""
    refused: int
    """Number of refused things of it."""


@dataclass(frozen=True, slots=True)
class RefusedPassage:
    """A passage that the segmenter refused, as ``refused_passages`` finds it in the document."""

    id: str
    """That of the item. The short passages of a document share one."""
    position: int
    """Number among all passages of the document, from 0."""
    headings: tuple[str, ...]
    text: str
    """Its first 20,000 characters."""
    reason: str


@dataclass(frozen=True, slots=True)
class HumanDecision:
    """The newest decision of a person about an item."""

    action: str
    """``drop``, ``accept``, ``edit``, or ``undo`` where none counts any more."""
    by: str
    at: float
    note: str
    texts: Texts | None
    """The pair's texts by this decision; None where they stay as the model wrote them."""


@dataclass(frozen=True, slots=True)
class ItemDetails:
    """Everything about an item."""

    item: Item
    instruction: str
    context: str
    response: str
    turns: tuple[Turn, ...]
    """What was said before the instruction, oldest first."""
    headings: tuple[str, ...]
    rating: Rating | None
    """The rating that counts, with its evidence and probabilities."""
    ratings: tuple[Rating, ...]
    """The newest rating by each release, in the order of their terms."""
    refusals: tuple[Refusal, ...]
    """Newest first. An accepted item may have been refused before."""
    passage: Passage | None
    document: DocumentPlace | None
    alternatives: tuple[Alternative, ...]
    """Other samples of its passage, best-rated first."""
    original: Original | None
    """What its response was rewritten from."""
    exemplars: tuple[str, ...]
    """Example ids of what it was made up after."""
    request_id: str
    template: str
    """Name and version of the prompt that wrote it."""
    writer: str
    """Release that wrote it."""
    decision: HumanDecision | None
    human: HumanRating | None
    pair: Scored | Example | None
    """The whole pair as a record, which decisions are made of: as ``curated`` has it, or as it was
    rated. A human seed stays one where it was dropped. None for what was never rated.
    """

    @property
    def awaited(self) -> Texts | None:
        """The texts that a person gave it and that are not on ``curated`` yet."""
        if self.decision is None or not self.item.awaited or self.item.decision == "drop":
            return None
        return self.decision.texts

    @property
    def editable(self) -> Texts | None:
        """The whole texts, which an edit begins with. None for what cannot be edited."""
        if self.pair is None:
            return None
        if self.decision is not None and self.decision.action != "undo" and self.decision.texts:
            return self.decision.texts
        pair = self.pair.candidate if isinstance(self.pair, Scored) else self.pair
        return Texts(instruction=pair.instruction, context=pair.context, response=pair.response)


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How often a stage refused for a reason."""

    stage: str
    reason: str
    items: int
    things: int
    """Refused things: short passages of a document share an item."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Values that filters can have, with the number of items of each, most frequent first.

    Of each field the 200 most frequent values.
    """

    verdicts: Mapping[str, int]
    stages: Mapping[str, int]
    sources: Mapping[str, int]
    categories: Mapping[str, int]
    languages: Mapping[str, int]
    generators: Mapping[str, int]
    decisions: Mapping[str, int]


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
    in_service: bool
    """Whether it is the one that workers serve."""
    rated: int
    """Items that it rated."""
    accepted: int
    """Accepted items whose rating is its."""
    release: Release | None
    """The announcement, with metrics, intervals, term and reason. None where there was none."""


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


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """How a release's ratings agree with people, and what its manifest says."""

    release: str
    bins: tuple[ReliabilityBin, ...]
    """Bins without pairs are left out."""
    pairs: int
    mean_error: float | None
    """Mean absolute difference of rating and human rating, in points; None without pairs."""
    curve: tuple[OperatingPoint, ...]
    """Threshold, acceptance, precision and recall by the manifest; empty without a judge."""
    line: tuple[float, float] | None
    """Slope and offset of the manifest from ratings to human ones."""
    figures: Mapping[str, float]
    """Cross-validated figures of the judge."""
    manifest: bool
    """Whether the release's directory was found here."""


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
