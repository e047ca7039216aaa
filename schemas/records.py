"""The records, in the order in which they flow.

Each record names what it was made from, back to the document.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.provenance import Offset as Offset
from schemas.provenance import Original as Original
from schemas.provenance import Provenance as Provenance
from schemas.provenance import Rating as Rating
from schemas.record import Count, Id, NonEmpty, PairId, Record
from schemas.release import Release
from schemas.ruling import Ruling as Ruling
from schemas.turns import EarlierTurns
from schemas.turns import Turn as Turn


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

    def ruled(self, ruling: Ruling | None) -> "Candidate":
        """The candidate with the texts that a person gave it, if any."""
        if ruling is None or ruling.texts is None:
            return self
        return self.model_copy(update=dict(ruling.texts))

    def as_seed(self, ruling: Ruling | None = None) -> "Example":
        """The pair as a human one on ``curated``, with the decision that keeps it, if any."""
        return Example(
            id=self.id,
            instruction=self.instruction,
            context=self.context,
            response=self.response,
            origin=ExampleOrigin.SEED,
            provenance=self.provenance,
            turns=self.turns,
            category=self.category,
            ruling=ruling,
        )

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
    """As a model wrote it."""
    rating: Rating
    ruling: Ruling | None = None
    """What a person decided about it; None where this is a model's rating alone."""

    @property
    def id(self) -> str:
        """The example's id."""
        return self.candidate.id


class Decision(Record):
    """A person's decision about a pair, with the pair. The newest one of an id counts."""

    name: ClassVar[str] = "decision"

    candidate: Candidate
    """The pair as it was before anybody edited it."""
    rating: Rating | None = None
    """The model's rating when it was decided; None for a human seed."""
    ruling: Ruling
    """Not longer than ``MOST_BYTES`` of ``schemas/ruling.py``."""

    @model_validator(mode="after")
    def _fits(self) -> "Decision":
        if reason := self.ruling.too_long:
            raise ValueError(reason)
        return self

    @property
    def id(self) -> str:
        """The example's id."""
        return self.candidate.id

    def ordered(self, offset: int) -> "Decision":
        """The same, with its place among the decisions: its offset on ``decisions``."""
        ruling = self.ruling.model_copy(update={"order": offset + 1})
        return self.model_copy(update={"ruling": ruling})

    @property
    def action(self) -> str:
        """See ``Action`` in ``schemas/ruling.py``."""
        return self.ruling.action

    @property
    def by(self) -> str:
        """Who decided."""
        return self.ruling.by

    @property
    def at(self) -> float:
        """Seconds since the epoch."""
        return self.ruling.at


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
    ruling: Ruling | None = None
    """The person's decision by which it is kept; None where the rules kept it. ``rating`` is then
    the model's, of the pair before it was edited.
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
    Decision,
    Scored,
    Example,
    Preference,
    HumanRating,
    Rejection,
    Release,
)
"""Every record type, in flow order."""
