"""The examples that are kept, with a search for those that a new one repeats."""

from collections.abc import Iterator, Set
from hashlib import blake2b
from typing import Generic, TypeVar

from agents.curation.kept_instructions import KeptInstructions
from agents.curation.near_passages import PassageIndex
from agents.curation.settings import CuratorSettings
from agents.refusal import Refusal
from schemas.categories import WITH_CONTEXT, Category
from schemas.records import Candidate, Example, Rating

V = TypeVar("V")
Rank = tuple[int, str]
"""Term and release id of a rating. Of two ratings of an example, the one with the higher rank
counts.
"""
UNRATED: Rank = (-1, "")
"""Below the rank of every rating."""


def rank_of(rating: Rating | None) -> Rank:
    """The rank of a rating; that of a human seed is UNRATED."""
    return (rating.term, rating.release) if rating else UNRATED


class KeptExamples:
    """Kept examples by id. Not thread-safe."""

    def __init__(self, settings: CuratorSettings) -> None:
        self._instructions = KeptInstructions(settings.novelty)
        self._passages = PassageIndex(settings.passage_novelty)
        self._ranks: dict[str, Rank] = {}
        self._ruled: set[str] = set()
        self._responses: _Groups[bytes] = _Groups()
        """Ids by the digest of their response."""
        self._requests: _Groups[tuple[str, str]] = _Groups()
        """Ids by the request that they answer, and the release that answered it."""

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._ranks)

    def __contains__(self, id: str) -> bool:
        return id in self._ranks

    def rank(self, id: str) -> Rank:
        """The rank of an example's rating; UNRATED where it is not kept."""
        return self._ranks.get(id, UNRATED)

    def is_ruled(self, id: str) -> bool:
        """Whether an example is kept by a person's decision."""
        return id in self._ruled

    def add(self, example: Example) -> None:
        """Add an example. It replaces one with the same id."""
        self._ranks[example.id] = rank_of(example.rating)
        (self._ruled.add if example.ruling else self._ruled.discard)(example.id)
        self._responses.put(example.id, _digest(example))
        self._requests.put(example.id, _request_of(example))
        self._instructions.add(example.id, example.instruction, example.turns)
        self._passages.add(example.id, _passage(example))

    def remove(self, id: str) -> None:
        """Remove an example; does nothing where there is none with this id."""
        self._ranks.pop(id, None)
        self._ruled.discard(id)
        self._responses.drop(id)
        self._requests.drop(id)
        self._instructions.remove(id)
        self._passages.remove(id)

    def refusals(self, candidate: Candidate, besides: Set[str]) -> Iterator[Refusal]:
        """The rules that compare with other examples. Those in ``besides`` are not compared.

        What one release made of one request has one instruction: only the responses are compared.
        """
        same = self._responses.of(_digest(candidate)) - besides
        if same:
            yield Refusal("same_response", f"the response is that of {min(same)}")
        siblings = self._requests.of(_request_of(candidate))
        near = self._instructions.nearest(
            candidate.instruction, candidate.turns, besides | siblings
        )
        if near:
            yield Refusal("not_novel", f"ROUGE-L {near.rouge_l:.2f} with {near.id}")
        alike = self._passages.nearest(_passage(candidate), besides)
        if alike:
            yield Refusal(
                "near_duplicate",
                f"the response has a similarity of {alike.similarity:.2f} with that of {alike.id}",
            )


class _Groups(Generic[V]):
    """Ids by a value that they share. An id without a value is in no group."""

    def __init__(self) -> None:
        self._values: dict[str, V] = {}
        self._ids: dict[V, set[str]] = {}

    def put(self, id: str, value: V | None) -> None:
        self.drop(id)
        if value is not None:
            self._values[id] = value
            self._ids.setdefault(value, set()).add(id)

    def drop(self, id: str) -> None:
        value = self._values.pop(id, None)
        if value is not None:
            self._ids[value].discard(id)
            if not self._ids[value]:
                del self._ids[value]

    def of(self, value: V | None) -> Set[str]:
        return self._ids.get(value, set()) if value is not None else set()


def _request_of(pair: Candidate | Example) -> tuple[str, str] | None:
    made = pair.provenance
    return (made.request_id, made.release) if made.request_id else None


def _passage(pair: Candidate | Example) -> str:
    """The passage that a pair was made from, which its response may have been rewritten from."""
    original = pair.provenance.original
    return _texts(pair, original.response if original else pair.response)


def _texts(pair: Candidate | Example, response: str) -> str:
    """What must not repeat: the response; for a task with a context, both.

    A short answer such as a label is right for many contexts. A classification without a context
    has what it classifies in its instruction.
    """
    given = pair.context if pair.category in WITH_CONTEXT else None
    if pair.category == Category.CLASSIFICATION:
        given = given or pair.instruction
    return f"{given}\n\n{response}" if given else response


def _digest(pair: Candidate | Example) -> bytes:
    """128-bit digest of ``_texts``, with white space folded as in a segment's id."""
    text = " ".join(_texts(pair, pair.response).split())
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
