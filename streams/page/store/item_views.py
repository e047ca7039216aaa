"""What the queries of the store return about items.

Times are seconds since the epoch. Texts are as they came from the topics, and are not to be
trusted: escape them where they are shown. They are cut, never longer than the lengths given here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.records import Alternative, Example, HumanRating, Original, Rating, Scored
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
    """Beginning of the response, of the refused passage, or of the request's instruction. Empty for
    a passage that the segmenter refused, until its document was read again.
    """


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
    language: str = ""
    """Its code; empty where it cannot be told."""


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
