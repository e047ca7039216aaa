"""The records, in the order in which they flow. Each names what it was made from, back to the
document.

Evolution: a new field has a default; a type never changes; a field's meaning never changes.
Anything else is a new version (``Record.version``), and readers of the old one send it to the dead
letters rather than guess.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
NonEmpty = Annotated[str, StringConstraints(min_length=1)]


class Record(BaseModel):
    """Base of every record: frozen; unknown fields, from a newer writer, are tolerated and
    dropped.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    name: ClassVar[str]
    """What the wire header calls this record."""
    version: ClassVar[int] = 1

    if TYPE_CHECKING:
        # Every record has one: a field, or for ``Scored`` a property. Declared for the type checker
        # alone, because pydantic would take a property of the base for the field's default.
        @property
        def id(self) -> str:
            """The record's deterministic id: its key on its topic."""


class Offset(BaseModel):
    """Where a record lies in Kafka."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class Document(Record):
    """Text as it came in. ``context``, where given, is material that belongs to every passage of
    it.
    """

    name: ClassVar[str] = "document"

    id: Id
    source: str
    text: NonEmpty
    media_type: str = "text/plain"
    title: str | None = None
    context: str | None = None


class Segment(Record):
    """A passage: the text under one heading of a document."""

    name: ClassVar[str] = "segment"

    id: Id
    document_id: Id
    source: str
    document_at: Offset | None = None
    """Where the document lies on its topic; None in a preview."""
    position: int = Field(ge=0)
    """Which heading of the document, from 0."""
    headings: tuple[str, ...] = ()
    """The headings above the text, outermost first."""
    text: NonEmpty
    context: str | None = None

    def refuse(
        self, stage: str, reason: str, detail: str = "", *, id: str | None = None, release: str = ""
    ) -> "Rejection":
        """A rejection of this segment, or of what ``id`` names and was to be made from it."""
        return Rejection(
            id=id or self.id,
            stage=stage,
            reason=reason,
            detail=detail,
            document_id=self.document_id,
            segment_id=self.id,
            release=release,
        )


class Provenance(BaseModel):
    """Where an example's response came from, and who wrote the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str = ""
    document_id: str = ""
    document_at: Offset | None = None
    segment_id: str = ""
    headings: tuple[str, ...] = ()
    release: str = ""
    """Id of the release whose model wrote the instruction."""
    template: str = ""
    """Name and version of the prompt that asked for it."""
    sample: int = 0


class Candidate(Record):
    """A triple that a generator proposes, not yet rated."""

    name: ClassVar[str] = "candidate"

    id: Id
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    provenance: Provenance

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
            release=release,
            score=score,
        )


class Rating(BaseModel):
    """A judgement from 1 to 5: the expected value over the probabilities of the five digits."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    score: float = Field(ge=1, le=5)
    probabilities: tuple[float, float, float, float, float]
    """Of '1' to '5', renormalised to sum to 1."""
    digit_mass: float = Field(default=1.0, ge=0, le=1.001)
    """The probability that the model gave to the five digits together: low means that it did not
    understand the question.
    """
    release: str
    template: str
    reason: str | None = None
    term: int = Field(default=0, ge=0)
    """Which taking of service the rating was given under: one more than the offset of its
    announcement on ``releases``, 0 for a model that was never announced. Of two ratings of an
    example, the one of the later term counts.
    """


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
    """Who wrote an example: people, or the loop."""

    SEED = "seed"
    AUGMENTED = "augmented"


class Example(Record):
    """A curated triple: what the training topic holds. ``rating`` is None for a human seed."""

    name: ClassVar[str] = "example"

    id: Id
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    origin: ExampleOrigin
    rating: Rating | None = None
    provenance: Provenance = Provenance()


class HumanRating(Record):
    """What a person thinks of a pair, on the scorer's own scale. The pair is repeated, so that the
    rating outlives its topic.
    """

    name: ClassVar[str] = "human_rating"

    id: Id
    """The example's."""
    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty
    score: int = Field(ge=1, le=5)
    rater: str = ""
    at: float = 0.0
    """Seconds since the epoch."""


class Rejection(Record):
    """Something refused on its merits, with the reason. Errors are dead letters instead."""

    name: ClassVar[str] = "rejection"

    id: Id
    """Id of what was refused: a document, a segment, an example, or some passages of a document
    together.
    """
    stage: str
    reason: str
    """A short code to count by, such as ``too_short``."""
    detail: str = ""
    count: int = Field(default=1, ge=1)
    """How many it stands for: the passages of a document that are too short share a rejection."""
    document_id: str = ""
    segment_id: str = ""
    release: str = ""
    score: float | None = None


class ReleaseStatus(StrEnum):
    """What became of a release."""

    IN_SERVICE = "in_service"
    KEPT = "kept"


class Release(Record):
    """An announcement of trained models: the manifest of a release directory, without the files."""

    name: ClassVar[str] = "release"

    id: Id
    parent: str | None
    """Id of the release whose workers curated the training set."""
    base: str
    """Id of the model that training started from."""
    status: ReleaseStatus
    location: str
    """Directory of the release, as the trainer sees it."""
    created_at: float
    """Seconds since the epoch."""
    announced_at: float = 0.0
    """Seconds since the epoch; the last announcement of a release is the one that counts."""
    term: int = 0
    """One more than the offset of this announcement: known to who reads it, 0 in the message
    itself. See ``Rating.term``.
    """
    metrics: dict[str, float] = {}
    parent_metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float, float]] = {}
    """Release minus parent, with the ends of the 95% interval, of each figure."""
    reason: str = ""
    """Why it took service when it was trained, or did not, in a sentence."""
    examples: int = 0
    """Curated examples in the training set."""
    seeds: int = 0


RECORDS: tuple[type[Record], ...] = (
    Document,
    Segment,
    Candidate,
    Scored,
    Example,
    HumanRating,
    Rejection,
    Release,
)
"""Every record type, in flow order."""
