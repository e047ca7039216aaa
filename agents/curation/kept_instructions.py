"""The instructions of kept examples, each compared with those that were asked in its place.

"And the second one?" is another request after another conversation. So an instruction with earlier
turns is compared with those after the same turns alone, and one without turns with those without.
"""

from collections.abc import Container, Sequence
from hashlib import blake2b

from agents.curation.novelty import Near, NoveltyIndex
from models.evaluation.words import words
from schemas.turns import Turn


class KeptInstructions:
    """Instructions by example id, with a search for the nearest one. Not thread-safe."""

    def __init__(self, threshold: float) -> None:
        """``threshold`` is that of ``NoveltyIndex``."""
        self._threshold = threshold
        self._after: dict[bytes, NoveltyIndex] = {b"": NoveltyIndex(threshold)}
        """By the digest of the turns before, which is empty for none."""
        self._place: dict[str, bytes] = {}
        """The digest of each id with turns."""

    def add(self, id: str, instruction: str, turns: Sequence[Turn] = ()) -> None:
        """Add an instruction. It replaces one with the same id."""
        place = _digest(turns)
        if self._place.get(id, b"") != place:
            self.remove(id)
        if place:
            self._place[id] = place
            self._after.setdefault(place, NoveltyIndex(self._threshold))
        self._after[place].add(id, instruction)

    def remove(self, id: str) -> None:
        """Remove an instruction; does nothing where there is none with this id."""
        place = self._place.pop(id, b"")
        index = self._after[place]
        index.remove(id)
        if place and not len(index):
            del self._after[place]

    def nearest(
        self, instruction: str, turns: Sequence[Turn] = (), besides: Container[str] = ()
    ) -> Near | None:
        """What ``NoveltyIndex.nearest`` finds among the instructions after the same turns."""
        index = self._after.get(_digest(turns))
        return None if index is None else index.nearest(instruction, besides)


def _digest(turns: Sequence[Turn]) -> bytes:
    """128 bits of the words of turns, whatever their case and punctuation; empty for no turns."""
    if not turns:
        return b""
    digest = blake2b(digest_size=16)
    for turn in turns:
        digest.update(" ".join(words(turn.text)).encode("utf-8", "surrogatepass") + b"\n")
    return digest.digest()
