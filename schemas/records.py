"""The records, in the order in which they flow.

Each record names what it was made from, back to the document.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.record import Count, Id, NonEmpty, PairId, Record
from schemas.release import Release
from schemas.turns import EarlierTurns
from schemas.turns import Turn as Turn


class Offset(BaseModel):
    """Position of a record in Kafka."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str
    partition: Count
    offset: Count


class Document(Record):
    """Text as it was fed."""

    name: ClassVar[str] = "document"

    id: Id
    source: str
    text: NonEmpty
    media_type: str = "text/plain"
    title: str | None = None
    context: str | None = None
    """Material that belongs to every passage of the document."""


class Segment(Record):
    """A passage: the text under one heading of a document."""

    name: ClassVar[str] = "segment"

    id: Id
    document_id: Id
    source: str
    document_at: Offset | None = None
    """Position of the document on its topic; None in a preview."""
    position: Count
    """Number of the passage in the document, from 0."""
    headings: tuple[str, ...] = ()
    """The headings above the text, outermost first."""
    text: NonEmpty
    context: str | None = None
    language: str | None = None
    """Language of the text as a code of ISO 639, such as ``en``; None where it is not known."""
    turns: EarlierTurns = ()
    """What was said before the request that the text answers, oldest first."""
    neighbours: tuple[str, ...] = ()
    """Innermost headings of the passages around it that are not its own, nearest first."""

    def refuse(
        self, stage: str, reason: str, detail: str = "", *, id: str | None = None, release: str = ""
    ) -> "Rejection":
        """A rejection of this segment, or of the candidate ``id`` that was to be made from it."""
        return Rejection(
            id=id or self.id,
            stage=stage,
            reason=reason,
            detail=detail,
            document_id=self.document_id,
            segment_id=self.id,
            release=release,
        )


class Exemplar(BaseModel):
    """An example that shows a model what to write: a human seed, or a curated one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    """Its example id."""
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    classification: bool = False
    """Whether its response is one of a few labels."""


class Request(Record):
    """What asks for examples without a passage."""

    if TYPE_CHECKING:
        id: Id

    def refuse(
        self, stage: str, reason: str, detail: str = "", *, id: str | None = None, release: str = ""
    ) -> "Rejection":
        """A rejection of this request, or of the candidate ``id`` that was to be made from it."""
        return Rejection(
            id=id or self.id,
            stage=stage,
            reason=reason,
            detail=detail,
            request_id=self.id,
            release=release,
        )


class Bootstrap(Request):
    """A request for a new instruction, made up after exemplars (Self-Instruct)."""

    name: ClassVar[str] = "bootstrap"

    id: Id
    exemplars: tuple[Exemplar, ...] = Field(min_length=1, max_length=64)
    source: str = ""


class Question(Request):
    """An instruction without a response, which a model answers several times."""

    name: ClassVar[str] = "question"

    id: Id
    instruction: NonEmpty
    context: str | None = None
    turns: EarlierTurns = ()
    """What was said before, oldest first."""
    category: str | None = None
    """See ``Candidate.category``."""
    source: str = ""


class Rating(BaseModel):
    """A model's rating of a pair, 1 to 5."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    score: float = Field(ge=1, le=5)
    """Expected value over the probabilities of the five grades."""
    probabilities: tuple[float, float, float, float, float]
    """Of the grades 1 to 5, as the release's judge computes them from the evidence. Without a
    judge, of the digits '1' to '5'. They sum to 1.
    """
    digit_mass: float = Field(default=1.0, ge=0, le=1.001)
    """Probability of the five digits together. A low value means that the model did not follow the
    rating prompt. It is 1 where digits were not asked for.
    """
    evidence: dict[str, float] = {}
    """Figures that the judge computed the probabilities from, by name. Empty where digits alone
    rated.
    """
    precision: float | None = Field(default=None, ge=0, le=1)
    """Estimated share of the pairs rated at least this high that deserve a 4 or 5, from the judge's
    calibration. None without a judge.
    """
    release: str
    template: str
    reason: str | None = None
    term: Count = 0
    """Deployment term of the release when it rated: the offset of its announcement on ``releases``
    plus 1, or 0 for a model that was never announced. Of two ratings of an example, the one with
    the higher term counts.
    """


class Original(BaseModel):
    """The example whose response was rewritten. Its instruction is that of the new one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    """Its example id."""
    response: NonEmpty
    """The passage that it had as its response."""
    rating: Rating
    """As it was when the response was rewritten."""
    generator: str = "backward"
    """See ``Provenance.generator``, as for the next two."""
    release: str = ""
    template: str = ""


class Provenance(BaseModel):
    """Origin of an example's response, and the model that wrote the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str = ""
    document_id: str = ""
    document_at: Offset | None = None
    segment_id: str = ""
    headings: tuple[str, ...] = ()
    language: str | None = None
    """The segment's; None where it is not known."""
    generator: str = "backward"
    """The stage that made the candidate."""
    request_id: str = ""
    """Id of the bootstrap or the question that it was made from; empty for one of a passage."""
    exemplars: tuple[str, ...] = ()
    """Example ids of what it was made up after."""
    conversation: str = ""
    """Id of the conversation that the example is an exchange of; empty for a single exchange. What
    is held out to measure on is chosen by it, so that no conversation is in both parts.
    """
    release: str = ""
    """Id of the release whose model wrote the instruction, or the whole of it."""
    template: str = ""
    """Name and version of the prompt template, such as ``backward.markers.1``."""
    sample: Count = 0
    """Number of the sample of the segment, from 0."""
    samples: Count = 1
    """How many samples were written for the segment. Those of more than one compete: the curator
    keeps the best-rated one.
    """
    original: Original | None = None
    """What the response was rewritten from; None where it was not. ``release`` and ``template``
    are then those that rewrote. It competes with the original and its samples.
    """


class Candidate(Record):
    """A generated triple of instruction, context and response, not yet rated."""

    name: ClassVar[str] = "candidate"

    id: Id
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    provenance: Provenance
    turns: EarlierTurns = ()
    """What was said before the instruction, oldest first: user and assistant in turns, the user
    first and the assistant last.
    """
    category: str | None = None
    """The kind of task, one of ``schemas/categories.py``; None where it is not known."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """Share of a model's answers that agree with the response; None where only one was written."""

    def refuse(
        self,
        stage: str,
        reason: str,
        detail: str = "",
        *,
        release: str = "",
        score: float | None = None,
    ) -> "Rejection":
        """A rejection of this candidate."""
        return Rejection(
            id=self.id,
            stage=stage,
            reason=reason,
            detail=detail,
            document_id=self.provenance.document_id,
            segment_id=self.provenance.segment_id,
            request_id=self.provenance.request_id,
            release=release,
            score=score,
        )


class Scored(Record):
    """A candidate and its rating."""

    name: ClassVar[str] = "scored"

    candidate: Candidate
    rating: Rating

    @property
    def id(self) -> str:
        """The example's id."""
        return self.candidate.id


class ExampleOrigin(StrEnum):
    """Whether people or models wrote an example."""

    SEED = "seed"
    AUGMENTED = "augmented"


class Alternative(BaseModel):
    """Another sample of an example's passage: an instruction or a response of its own, rated."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    """Its example id."""
    instruction: NonEmpty
    rating: Rating
    provenance: Provenance = Provenance()
    response: NonEmpty | None = None
    """None where it is that of the example."""


class Example(Record):
    """A curated triple on the training topic. ``rating`` is None for a human seed."""

    name: ClassVar[str] = "example"

    id: Id
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    origin: ExampleOrigin
    rating: Rating | None = None
    provenance: Provenance = Provenance()
    threshold: float | None = Field(default=None, ge=1, le=5)
    """The lowest rating that passed when it was kept. None where it is not known, where a precision
    was asked for instead, and for a seed.
    """
    target_precision: float | None = Field(default=None, ge=0, le=1)
    """The lowest estimated precision that passed when it was kept, where one was asked for."""
    turns: EarlierTurns = ()
    """See ``Candidate.turns``."""
    category: str | None = None
    """See ``Candidate.category``."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """See ``Candidate.confidence``."""
    alternatives: tuple[Alternative, ...] = ()
    """The other samples of its passage, best-rated first, rewritten ones too. Compare the scores:
    while a new release rates again, that of an alternative may be the higher one.
    """


PreferenceTask = Literal["forward", "backward"]
"""``forward``: two responses to an instruction. ``backward``: two instructions for a passage."""


class Side(BaseModel):
    """One of the two answers of a preference pair."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    """Example id of the pair that it stands in."""
    text: NonEmpty
    """A response in the forward task, an instruction in the backward task."""
    rating: Rating
    provenance: Provenance = Provenance()


class Preference(Record):
    """A better and a worse answer to one prompt, rated by one release in one term."""

    name: ClassVar[str] = "preference"

    id: PairId
    """``EXAMPLE_ID.TASK``: an example has one pair for each task at most."""
    example_id: Id
    """The curated example, which is the chosen side."""
    task: PreferenceTask
    """See PreferenceTask."""
    prompt: NonEmpty
    """The instruction in the forward task, the passage in the backward task."""
    context: str | None = None
    turns: EarlierTurns = ()
    """What was said before, oldest first."""
    headings: tuple[str, ...] = ()
    """The headings above the passage; of the prompt in the backward task alone."""
    chosen: Side
    rejected: Side
    margin: float = Field(ge=0, le=4)
    """Score of the chosen side minus that of the rejected one."""


class HumanRating(Record):
    """A person's rating of a pair, on the scorer's scale.

    The pair is repeated here, so that the rating is usable after the pair's own topic is deleted.
    """

    name: ClassVar[str] = "human_rating"

    id: Id
    """Id of the example."""
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    headings: tuple[str, ...] = ()
    """The headings above the response, outermost first."""
    turns: EarlierTurns = ()
    """See ``Candidate.turns``."""
    score: int = Field(ge=1, le=5)
    rater: str = ""
    at: float = Field(default=0.0, allow_inf_nan=False)
    """Seconds since the epoch."""


class Rejection(Record):
    """Something that a stage refused, with the reason. Errors are dead letters instead."""

    name: ClassVar[str] = "rejection"

    id: Id
    """Id of the document, segment or example, or of several passages of a document together."""
    stage: str
    reason: str
    """A short code to count by, such as ``too_short``."""
    detail: str = ""
    count: int = Field(default=1, ge=1, lt=2**63)
    """Number of refused things. The passages of a document that are too short share a rejection."""
    document_id: str = ""
    segment_id: str = ""
    request_id: str = ""
    """Id of the bootstrap or the question that it was made from, if it was."""
    release: str = ""
    score: float | None = None


RECORDS: tuple[type[Record], ...] = (
    Document,
    Segment,
    Bootstrap,
    Question,
    Candidate,
    Scored,
    Example,
    Preference,
    HumanRating,
    Rejection,
    Release,
)
"""Every record type, in flow order."""
