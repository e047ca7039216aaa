"""Which examples an export has, and on which side of a split each of them is.

Both are decided by the hash of a key and of ``seed``, so that they stay as they are while the set
grows.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, Literal, TypeVar

from models.seeds import split_key
from schemas.records import Example, Preference

Item = TypeVar("Item")
Side = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Traits:
    """What an example, or a preference pair, is chosen by."""

    id: str
    score: float | None
    """The model's rating; None for a human seed."""
    by_people: bool
    """Whether people wrote it or decided to keep it."""
    origin: str
    source: str
    category: str
    language: str
    relations: tuple[str, ...]
    """Keys of its document, passage, conversation and request, of which it has some. Examples that
    share one are related. The first one decides on which side of a split it is.
    """


def traits_of(example: Example) -> Traits:
    """The traits of an example."""
    made = example.provenance
    conversation = made.conversation or (split_key(example) if example.turns else "")
    keys = (
        ("document", made.document_id),
        ("conversation", conversation),
        ("request", made.request_id),
        ("passage", made.segment_id),
        ("example", example.id),
    )
    return Traits(
        id=example.id,
        score=example.rating.score if example.rating else None,
        by_people=example.rating is None or (example.ruling is not None and example.ruling.keeps),
        origin=example.origin.value,
        source=made.source,
        category=example.category or "",
        language=made.language or "",
        relations=tuple(f"{kind} {key}" for kind, key in keys if key),
    )


def traits_of_pair(pair: Preference) -> Traits:
    """The traits of a preference pair: those of its chosen side."""
    made = pair.chosen.provenance
    keys = (
        ("document", made.document_id),
        ("request", made.request_id),
        ("passage", made.segment_id),
        ("example", pair.example_id),
    )
    return Traits(
        id=pair.id,
        score=pair.chosen.rating.score,
        by_people=False,
        origin="augmented",
        source=made.source,
        category="",
        language=made.language or "",
        relations=tuple(f"{kind} {key}" for kind, key in keys if key),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters, all of which an example passes; an empty one passes everything."""

    min_score: float | None = None
    """Lowest rating. What people wrote, or decided to keep, is not held to it."""
    origins: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Globs."""
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    limit: int | None = None
    """How many at most, chosen by hash."""
    seed: int = 0

    def takes(self, traits: Traits) -> bool:
        """Whether an example passes the filters. The limit is not one of them."""
        low = self.min_score is not None and not traits.by_people
        if low and (traits.score is None or traits.score < (self.min_score or 0)):
            return False
        if self.sources and not any(fnmatchcase(traits.source, glob) for glob in self.sources):
            return False
        named = (
            (self.origins, traits.origin),
            (self.categories, traits.category),
            (self.languages, traits.language),
        )
        return all(not wanted or value in wanted for wanted, value in named)

    def of(self, items: Iterable[Item], traits: Callable[[Item], Traits]) -> list[Item]:
        """The items that are chosen, in their order."""
        found = [item for item in items if self.takes(traits(item))]
        if self.limit is None or len(found) <= self.limit:
            return found
        named = [traits(item).id for item in found]
        drawn = sorted(named, key=lambda name: (fraction(self.seed, "limit", name), name))
        kept = set(drawn[: self.limit])
        return [item for item, id in zip(found, named, strict=True) if id in kept]

    def described(self) -> list[str]:
        """The filters in words, one each; empty without any."""
        words = []
        if self.min_score is not None:
            words.append(
                f"a rating of {self.min_score:g} or more, to which what people wrote or decided "
                "to keep is not held"
            )
        for name, values in (
            ("origin", self.origins),
            ("source", self.sources),
            ("category", self.categories),
            ("language", self.languages),
        ):
            if values:
                words.append(f"{name} {' or '.join(f'`{value}`' for value in values)}")
        if self.limit is not None:
            words.append(f"{self.limit:,} at most, drawn by hash with the seed {self.seed}")
        return words


@dataclass(frozen=True, slots=True)
class Parts(Generic[Item]):
    """The two sides of a split."""

    train: list[Item]
    test: list[Item]
    left_out: int
    """Related to the test side by another key than the one that decided; on neither side."""


@dataclass(frozen=True, slots=True)
class Split:
    """A division into a training and a test side."""

    share: float
    """Of the documents, conversations and requests that are on the training side; 0 to 1."""
    seed: int = 0

    def side(self, traits: Traits) -> Side:
        """The side of an example. It depends on the example and the seed alone."""
        return "train" if fraction(self.seed, "split", traits.relations[0]) < self.share else "test"

    def parts(self, items: Sequence[Item], traits: Callable[[Item], Traits]) -> Parts[Item]:
        """Divide items, each side in their order.

        A passage may be in two documents, one on each side. The training side then leaves out its
        examples, so that nothing on it is related to the test side and no example changes sides.
        """
        found = [(item, traits(item)) for item in items]
        test = [(item, of) for item, of in found if self.side(of) == "test"]
        held = {key for _, of in test for key in of.relations}
        train = [(item, of) for item, of in found if self.side(of) == "train"]
        apart = [item for item, of in train if held.isdisjoint(of.relations)]
        return Parts(apart, [item for item, _ in test], len(train) - len(apart))


def fraction(seed: int, purpose: str, key: str) -> float:
    """A number from 0 to 1 that is the same for the same seed, purpose and key."""
    digest = hashlib.sha256(f"{seed}\n{purpose}\n{key}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
