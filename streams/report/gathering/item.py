"""An example as a report keeps it: its texts cut, and what is counted of the whole."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

from agents.passages.language import language_of
from models.evaluation.words import count_words
from schemas.records import Example, ExampleOrigin, Provenance, Rating, Scored
from schemas.turns import Turn

_INSTRUCTION = 1000
_RESPONSE = 700
"""Characters that are kept of a text."""


@dataclass(frozen=True, slots=True)
class Item:
    """An example, kept or refused. Empty texts and None stand for what is not known."""

    id: str
    instruction: str
    context: str
    response: str
    instruction_words: int
    response_words: int
    history: bytes
    """Digest of the turns before; empty where there are none."""
    seed: bool
    score: float | None
    category: str
    language: str
    generator: str
    release: str
    source: str
    document_id: str
    segment_id: str
    document_at: str
    headings: tuple[str, ...]

    def as_seed(self, seed: bool) -> "Item":
        """The same, as written by people or not."""
        return replace(self, seed=seed)


def item_of_example(example: Example) -> Item:
    """An example of ``curated``."""
    return make_item(
        example.id,
        example.instruction,
        example.context,
        example.response,
        example.turns,
        example.provenance,
        rating=example.rating,
        category=example.category,
        seed=example.origin is ExampleOrigin.SEED,
    )


def item_of_scored(scored: Scored) -> Item:
    """A pair of ``scored``."""
    one = scored.candidate
    return make_item(
        one.id,
        one.instruction,
        one.context,
        one.response,
        one.turns,
        one.provenance,
        rating=scored.rating,
        category=one.category,
    )


def make_item(
    id: str,
    instruction: str,
    context: str | None,
    response: str,
    turns: Iterable[Turn] = (),
    made: Provenance | None = None,
    *,
    rating: Rating | None = None,
    score: float | None = None,
    category: str | None = None,
    seed: bool = False,
) -> Item:
    """An item of its parts. The language is told from the response where nothing names it."""
    made = made or Provenance()
    at = made.document_at
    return Item(
        id=id,
        instruction=cut(instruction, _INSTRUCTION),
        context=cut(context or "", _RESPONSE),
        response=cut(response, _RESPONSE),
        instruction_words=count_words(instruction),
        response_words=count_words(response),
        history=_digest(turns),
        seed=seed,
        score=rating.score if rating else score,
        category=category or "",
        language=made.language or language_of(response) or "",
        generator="" if seed else made.generator,
        release=rating.release if rating else made.release,
        source=made.source,
        document_id=made.document_id,
        segment_id=made.segment_id,
        document_at=f"{at.topic}/{at.partition}@{at.offset}" if at else "",
        headings=made.headings,
    )


def cut(text: str, longest: int) -> str:
    """A text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _digest(turns: Iterable[Turn]) -> bytes:
    digest, found = blake2b(digest_size=16), False
    for turn in turns:
        found = True
        digest.update(turn.text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest() if found else b""
