"""What a list of items is asked for: filters, order, and pages by the key of the last item."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
LARGEST_PAGE = 500


class Verdict(StrEnum):
    """What became of an item."""

    ACCEPTED = "accepted"
    """It is on ``curated``, human seeds included."""
    REFUSED = "refused"
    """A stage refused it, or it was retracted."""
    DROPPED = "dropped"
    """A person dropped it."""
    WAITING = "waiting"
    """It is rated, or waits for its rating, and nothing was decided yet."""


class Kind(StrEnum):
    """What an item is. Only examples are accepted; the others are here because they were refused.

    What the segmenter refuses is of the kind ``document``: a passage that it cut never became a
    record of its own, and its text is only in the document.
    """

    EXAMPLE = "example"
    PASSAGE = "passage"
    DOCUMENT = "document"
    REQUEST = "request"
    """A bootstrap or a question."""


class Human(StrEnum):
    """What a person said about an item."""

    NONE = "none"
    """Nobody decided about it or rated it."""
    RATED = "rated"
    DECIDED = "decided"
    """Any of the following."""
    DROPPED = "drop"
    ACCEPTED = "accept"
    EDITED = "edit"


class Order(StrEnum):
    """The order of a list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BEST = "best"
    """By falling score; items without one come last."""
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are wanted. Each field that is set must hold; None holds for all.

    An empty string asks for items whose value is empty.
    """

    verdict: Verdict | None = None
    kind: Kind | None = None
    stage: str | None = None
    """The stage that refused it."""
    reason: str | None = None
    """The code of the refusal, such as ``too_short``."""
    min_score: float | None = None
    max_score: float | None = None
    source: str | None = None
    """A part of the source, whatever the case of its letters."""
    category: str | None = None
    language: str | None = None
    generator: str | None = None
    """The stage that made the candidate; ``seed`` for human seeds."""
    release: str | None = None
    """The release whose rating counts."""
    human: Human | None = None
    text: str | None = None
    """Words that must occur in instruction, context, response or passage; the last one may be the
    beginning of a word. In Chinese, Japanese, Thai, Lao, Khmer and Burmese, characters that follow
    each other. Nothing in it is syntax. ``Store.unsearched`` counts what has no text yet.
    """
    document_id: str | None = None


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted."""

    size: int = 50
    """At most LARGEST_PAGE."""
    after: str | None = None
    """``Page.next`` of the page before, with the same filter and order. None for the first page."""
    order: Order = Order.NEWEST


FIRST = PageRequest()
"""The newest 50."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    items: tuple[T, ...]
    total: int
    """Number of all that the filter lets through."""
    next: str | None
    """What the next page comes after. None where there is none."""
