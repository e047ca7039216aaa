"""Human pairs and passages of documentation that no model of the comparison was trained on."""

import asyncio
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from agents.segmenter import Segmenter
from models.house.data import read_pairs
from models.seeds.pairs import Pair
from models.writer.settings import Recipe
from schemas.records import Segment
from streams.run.demo.documents import demo_documents, library_documents

RIVALS = 9
"""Other instructions that a true one is ranked among."""
_PASSAGES = 500
_LENGTHS = range(80, 2501)
"""Characters of the responses: all of them fit the context window of every model."""


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A human pair, and instructions of other pairs."""

    pair: Pair
    rivals: tuple[str, ...]


def held_out_rows(dolly: Path) -> list[RankedRow]:
    """The last rows of a Dolly-format file that have no context, shuffled.

    The rivals of a row are the instructions of the rows after it, so the first rows of the list
    have the same ones however many are measured.
    """
    rows = read_pairs(dolly)[-Recipe().held_out :]
    pairs = [
        pair
        for pair in rows
        if pair.instruction and not pair.context and len(pair.response) in _LENGTHS
    ]
    random.Random(0).shuffle(pairs)
    asked = [pair.instruction for pair in pairs] * 2
    return [
        RankedRow(pair, tuple(asked[place + 1 : place + 1 + RIVALS]))
        for place, pair in enumerate(pairs)
    ]


@dataclass(frozen=True, slots=True)
class Documentation:
    """Passages of the reference documentation and docstrings of CPython.

    Both lists are in the order of their ids, which are hashes, and have no document in common.
    """

    reported: list[Segment]
    tuning: list[Segment]

    @classmethod
    def read(cls) -> "Documentation":
        """Cut the documents of the demo and of the whole standard library into passages."""
        documents = {
            document.id: document
            for document in (*demo_documents(), *library_documents(sorted(sys.stdlib_module_names)))
        }
        segmenter, found = Segmenter(), dict[str, Segment]()
        for _, document in sorted(documents.items()):
            for outcome in asyncio.run(segmenter.handle(document)):
                if isinstance(outcome, Segment):
                    found.setdefault(outcome.id, outcome)
        segments = list(found.values())
        last = segments[:_PASSAGES][-1].document_id
        after = max(place for place, segment in enumerate(segments) if segment.document_id == last)
        reported, tuning = segments[: after + 1], segments[after + 1 :]
        reported.sort(key=lambda segment: segment.id)
        tuning.sort(key=lambda segment: segment.id)
        return cls(reported[:_PASSAGES], tuning)
