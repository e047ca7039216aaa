"""What a report says, as data. It is inside the page as JSON, so that reports can be compared."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

VERSION: Literal[1] = 1
"""Raised when the meaning of a field changes. A report of another version is not compared with."""

_LONGEST = 2000
Count = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Text = Annotated[str, AfterValidator(lambda text: text[:_LONGEST])]
"""A text that is cut where it is longer than a report shows."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Named(_Part):
    """A name with a number of things."""

    name: Text
    count: Count


class Bin(_Part):
    """How many values are at least ``low`` and below ``high``. The last bin includes ``high``."""

    low: float
    high: float
    count: Count


class Sample(_Part):
    """An example with its origin. Long texts are cut."""

    kind: Literal["best", "lowest", "drawn", "refused"]
    id: Text
    instruction: Text
    context: Text = ""
    response: Text
    score: float | None = None
    reason: Text = ""
    """Why it was refused, and by which rule; empty where it was kept."""
    category: Text = ""
    language: Text = ""
    release: Text = ""
    """What rated it; in a file, what wrote it."""
    source: Text = ""
    document_id: Text = ""
    segment_id: Text = ""
    document_at: Text = ""
    """Topic, partition and offset of the document, as ``documents/0@17``."""
    headings: tuple[Text, ...] = ()
    position: Count | None = None
    """Number of the passage in its document, from 0; None where it is not known."""


class Stage(_Part):
    """What a stage read and refused."""

    stage: Text
    source: Text
    """Its topic."""
    read: Count
    """Messages of the topic; of ``scored``, pairs."""
    refused: tuple[Named, ...] = ()
    """By reason."""


class Root(_Part):
    """Instructions with one root verb, or one question word, and what that is about."""

    word: Text
    question: bool
    count: Count
    objects: tuple[Named, ...] = ()
    """The most frequent nouns, the most frequent first."""


class Roots(_Part):
    """Root verbs and objects of the English instructions, and first words of the others."""

    english: Count
    recognised: Count
    """English instructions whose root was found."""
    with_object: Count
    different: Count = 0
    """Number of different pairs of root and object."""
    roots: tuple[Root, ...] = ()
    first_words: tuple[Named, ...] = ()
    """Of instructions in other languages."""


class Window(_Part):
    """Instructions that follow each other, against all before them."""

    first: Count
    last: Count
    """Places in the set, from 1, both included."""
    looked_at: Count
    similar: Count
    """With a ROUGE-L of ``Novelty.similar`` or more with one before, but not near."""
    near: Count
    """With a ROUGE-L of ``Novelty.near`` or more with one before."""


class Place(_Part):
    """One of two neighbours."""

    id: Text
    instruction: Text
    source: Text = ""
    segment_id: Text = ""


class Neighbours(_Part):
    """Two examples whose instructions are near each other."""

    rouge_l: Share
    first: Place
    second: Place


class Novelty(_Part):
    """How new instructions are, and which ones are nearest to each other."""

    similar: Share
    near: Share
    looked_at: Count = 0
    windows: tuple[Window, ...] = ()
    neighbours: tuple[Neighbours, ...] = ()


class PrecisionAt(_Part):
    """The estimated share of the pairs rated ``score`` or more that deserve a 4 or 5."""

    score: float
    precision: Share


class Rated(_Part):
    """The newest ratings by one release."""

    release: Text
    """Empty for a file, whose rows do not say what rated them."""
    pairs: Count
    mean: float
    bins: tuple[Bin, ...]
    accepted: Share | None = None
    """Share rated at the threshold or above."""
    precision: Share | None = None
    """Estimated precision at the threshold, by the judge's calibration."""
    expected: Share | None = None
    """Mean probability of a 4 or 5 of those rated at the threshold or above."""
    curve: tuple[PrecisionAt, ...] = ()


class Reliability(_Part):
    """Pairs with a probability of a 4 or 5 in one interval, and what people gave them."""

    low: Share
    high: Share
    pairs: Count
    predicted: Share
    """Mean probability."""
    observed: Share
    """Share that people gave a 4 or 5."""


class Agreement(_Part):
    """One release's ratings beside those of people."""

    release: Text
    pairs: Count
    difference: float
    """Mean distance of the two ratings, in points."""
    bins: tuple[Reliability, ...] = ()
    accepted: Count = 0
    """Of the pairs, those that the release rated at the threshold or above."""
    deserving: Count = 0
    """Of the accepted ones, those that people gave a 4 or 5."""


class Decided(_Part):
    """What a person decided about a pair."""

    action: Text
    by: Text
    at: float
    """Seconds since the epoch."""
    id: Text
    instruction: Text
    note: Text = ""


class Human(_Part):
    """What people said of the pairs."""

    ratings: Count = 0
    raters: Count = 0
    scores: tuple[Named, ...] = ()
    """By grade."""
    agreement: tuple[Agreement, ...] = ()
    decisions: tuple[Named, ...] = ()
    """By kind."""
    decided: tuple[Decided, ...] = ()
    """The last decisions, the last one first."""


class Report(_Part):
    """Everything that the page shows."""

    version: Literal[1] = VERSION
    made_at: Text
    """Date and time in ISO 8601, UTC."""
    about: Text
    """The file, or the topic and the broker."""
    from_stream: bool
    """Whether it was read from topics; a file has no funnel, no refused pairs, nothing by people.
    """
    examples: Count
    seeds: Count
    """Written by people, of the examples."""
    described: Count
    """The examples that the figures are about: those made by the stream, or all if it made none."""
    threshold: float | None = None
    documents: Count = 0
    sources_count: Count = 0
    mean_score: float | None = None
    with_context: Count = 0
    with_turns: Count = 0
    instruction_words: float = 0.0
    """Median."""
    response_words: float = 0.0
    """Median."""
    stages: tuple[Stage, ...] = ()
    roots: Roots
    categories: tuple[Named, ...] = ()
    sources: tuple[Named, ...] = ()
    languages: tuple[Named, ...] = ()
    generators: tuple[Named, ...] = ()
    instruction_lengths: tuple[Bin, ...] = ()
    response_lengths: tuple[Bin, ...] = ()
    novelty: Novelty
    rated: tuple[Rated, ...] = ()
    human: Human = Human()
    samples: tuple[Sample, ...] = ()
