"""The samples of a passage: pairs that were made from it, and that compete.

A sample has an instruction of its own, or is another one with its response rewritten. The curator
keeps the best-rated one that passes, and the others with it, as its alternatives. It decides at
each rating, and waits for none: a sample that never arrives holds nothing up, and the order of
arrival does not matter in the end.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from pydantic import TypeAdapter

from schemas.records import Alternative, Candidate, Example, Scored
from schemas.wire import MAX_BYTES

Samples = dict[str, Alternative]
"""The samples of one passage, by their example ids, with their newest ratings and responses."""

_MOST_BYTES = MAX_BYTES // 8
"""Size in JSON of the alternatives of an example, so that it fits into a message."""
_LARGEST = 64 * 1024
"""Size in JSON of one alternative."""
_WAITING = 20_000
"""Passages without a kept example whose samples are remembered."""

_PACKED = TypeAdapter(tuple[Alternative, ...])


def passage_of(pair: Candidate | Example) -> bytes | None:
    """The passage that a pair was made from; None for a pair that was made without one."""
    made = pair.provenance
    if not made.segment_id:
        return None
    text = made.original.response if made.original else pair.response
    digest = blake2b(digest_size=16)
    for part in (made.segment_id, text, pair.context or ""):
        digest.update(" ".join(part.split()).encode("utf-8", "surrogatepass") + b"\xff")
    return digest.digest()


def has_others(pair: Candidate | Example) -> bool:
    """Whether a pair says itself that its passage has other samples."""
    made = pair.provenance
    known = pair.alternatives if isinstance(pair, Example) else ()
    return made.samples > 1 or made.original is not None or bool(known)


def sample_of(pair: Scored | Example) -> Alternative:
    """A rated pair as a sample. The example is rated."""
    one = pair.candidate if isinstance(pair, Scored) else pair
    assert pair.rating is not None
    return Alternative(
        id=one.id,
        instruction=one.instruction,
        rating=pair.rating,
        provenance=one.provenance,
        response=one.response,
    )


def best_first(samples: Iterable[Alternative]) -> list[Alternative]:
    """Samples by their scores; of equal ones, those that were written first."""
    return sorted(
        samples,
        key=lambda one: (
            -one.rating.score,
            one.provenance.original is not None,
            one.provenance.sample,
            one.id,
        ),
    )


def alternatives(samples: Samples, chosen: Alternative) -> tuple[Alternative, ...]:
    """The other samples, best-rated first, as many of them as fit into a message."""
    fitting, left = [], _MOST_BYTES
    for one in best_first(samples.values()):
        if one.response == chosen.response:
            one = one.model_copy(update={"response": None})
        size = len(one.model_dump_json().encode())
        if one.id != chosen.id and size <= min(left, _LARGEST):
            fitting.append(one)
            left -= size
    return tuple(fitting)


@dataclass(frozen=True, slots=True)
class _Group:
    kept: frozenset[str]
    """Ids of the kept examples: one, and two where a process ended between two messages."""
    packed: bytes
    """The samples as compressed JSON: they take less memory so."""


class SampleGroups:
    """The samples of passages that have a kept example, and of the last ones that have none."""

    def __init__(self) -> None:
        self._groups: dict[bytes, _Group] = {}
        self._passages: dict[str, bytes] = {}
        """The passage of each kept example."""
        self._waiting: dict[bytes, bytes] = {}
        """Packed samples, oldest passage first."""

    def __contains__(self, passage: bytes) -> bool:
        return passage in self._groups or passage in self._waiting

    def kept(self, passage: bytes) -> frozenset[str]:
        """Ids of the kept examples of a passage."""
        group = self._groups.get(passage)
        return group.kept if group else frozenset()

    def samples(self, passage: bytes) -> Samples:
        """The known samples of a passage. The caller may change the result."""
        group = self._groups.get(passage)
        packed = group.packed if group else self._waiting.get(passage)
        return {one.id: one for one in _unpacked(packed)} if packed else {}

    def keep(self, passage: bytes, example: Example, also: Iterable[str] = ()) -> bool:
        """Store that an example is kept, with its alternatives; ``also`` are kept still.

        Returns whether that changes anything.
        """
        own, others = sample_of(example), example.alternatives
        others = tuple(
            one if one.response else one.model_copy(update={"response": own.response})
            for one in others
        )
        packed = _packed({one.id: one for one in (*others, own)})
        before = self._groups.get(passage)
        self._waiting.pop(passage, None)
        self._passages[example.id] = passage
        now = self._groups[passage] = _Group(frozenset({example.id, *also}), packed)
        return before is None or example.id not in before.kept or before.packed != now.packed

    def drop(self, id: str) -> None:
        """Store that an example is not kept any more. Does nothing where it was not."""
        passage = self._passages.pop(id, None)
        group = self._groups.get(passage) if passage else None
        if passage is None or group is None:
            return
        if kept := group.kept - {id}:
            self._groups[passage] = _Group(kept, group.packed)
        else:
            del self._groups[passage]

    def wait(self, passage: bytes, samples: Mapping[str, Alternative]) -> None:
        """Remember the samples of a passage without a kept example."""
        self._waiting.pop(passage, None)
        if samples:
            self._waiting[passage] = _packed(samples)
        if len(self._waiting) > _WAITING:
            del self._waiting[next(iter(self._waiting))]


def _packed(samples: Mapping[str, Alternative]) -> bytes:
    return zlib.compress(_PACKED.dump_json(tuple(best_first(samples.values()))), level=1)


def _unpacked(packed: bytes) -> tuple[Alternative, ...]:
    return _PACKED.validate_json(zlib.decompress(packed))
