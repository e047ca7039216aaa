"""Where a pair comes from, and how it was rated: the parts of records that say so."""

from pydantic import BaseModel, ConfigDict, Field

from schemas.record import Count, Id, NonEmpty


class Offset(BaseModel):
    """Position of a record in Kafka."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str
    partition: Count
    offset: Count


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
