"""Divides the data into disjoint parts by position and hash.

The parts are seeds, unlabelled responses and held-out pairs. Passages of documentation are added to
the unlabelled.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from agents.curation.novelty import NoveltyIndex
from agents.segmenter import Segmenter, SegmenterSettings
from bench.loop.settings import LoopSettings
from models.evaluation.words import words
from models.house.data import read_pairs
from models.seeds.formats import make_seed
from models.seeds.pairs import Pair
from schemas.errors import SourceError
from schemas.ids import hash_fraction, seed_id, segment_id
from schemas.records import Document, Example, Segment

DOLLY = "dolly"
"""Source of a segment that is a response of the instruction data."""
_PAIRS = TypeAdapter(tuple[Pair, ...])


@dataclass(frozen=True, slots=True)
class Split:
    """The data of the experiment.

    No two rows have instructions near to each other, or the same response.
    """

    seeds: tuple[Example, ...]
    held_out: tuple[Pair, ...]
    unlabelled: tuple[Segment, ...]
    """Responses and passages in the order of their ids."""
    truths: dict[str, str]
    """Human instruction by segment id, for measuring only. Passages have none."""
    counts: dict[str, int]

    def dump(self) -> dict[str, Any]:
        """Return it as it is written to a result file."""
        return {
            "seeds": [seed.model_dump(mode="json") for seed in self.seeds],
            "held_out": _PAIRS.dump_python(self.held_out, mode="json"),
            "unlabelled": [segment.model_dump(mode="json") for segment in self.unlabelled],
            "truths": self.truths,
            "counts": self.counts,
        }

    @classmethod
    def load(cls, value: dict[str, Any]) -> Self:
        """Read what ``dump`` returned."""
        return cls(
            tuple(map(Example.model_validate, value["seeds"])),
            _PAIRS.validate_python(value["held_out"]),
            tuple(map(Segment.model_validate, value["unlabelled"])),
            value["truths"],
            value["counts"],
        )


def split(data: Path, documents: Iterable[Document], settings: LoopSettings) -> Split:
    """Divide a Dolly-format file, and cut documents into passages.

    Raises SourceError if there is too little of either.
    """
    rows = read_pairs(data)
    counts: Counter[str] = Counter({"rows": len(rows)})
    earlier, last = _apart(rows, settings.last_rows)
    choose = _Chooser(settings, counts)
    held_out = choose.some(last, settings.held_out, "held-out pairs")
    rest = iter(earlier)
    responses = choose.some(rest, settings.unlabelled, "unlabelled responses")
    seeds = choose.some(rest, settings.seeds, "seeds")
    passages = _passages(documents, settings)
    counts["unlabelled passages"] = len(passages)
    unlabelled = sorted([*map(_segment, responses), *passages], key=lambda segment: segment.id)
    return Split(
        seeds=tuple(make_seed(pair.instruction, None, pair.response) for pair in seeds),
        held_out=tuple(held_out),
        unlabelled=tuple(unlabelled),
        truths={_segment(pair).id: pair.instruction for pair in responses},
        counts=dict(counts),
    )


class _Chooser:
    """Chooses rows for one part after the other, without rows near to chosen ones."""

    def __init__(self, settings: LoopSettings, counts: Counter[str]) -> None:
        self._settings = settings
        self._counts = counts
        self._instructions = NoveltyIndex()
        self._responses: set[str] = set()

    def some(self, rows: Iterable[Pair], count: int, name: str) -> list[Pair]:
        """Return the first ``count`` rows that fit. Raises SourceError if there are fewer."""
        taken: list[Pair] = []
        rows = iter(rows)
        while len(taken) < count and (row := next(rows, None)) is not None:
            if not self._fits(row):
                self._counts["rows passed over: a context, or too short or long"] += 1
            elif _fold(row.response) in self._responses or self._instructions.nearest(
                row.instruction
            ):
                self._counts["rows passed over: near to a row that was taken"] += 1
            else:
                taken.append(row)
                self._responses.add(_fold(row.response))
                self._instructions.add(
                    seed_id(row.instruction, None, row.response), row.instruction
                )
        if len(taken) < count:
            raise SourceError(
                f"the data has only {len(taken)} rows for the {count} {name}: add rows"
            )
        self._counts[name] = len(taken)
        return taken

    def _fits(self, row: Pair) -> bool:
        asked = words(row.instruction)
        shortest, longest = self._settings.response_characters
        return (
            not row.context
            and shortest <= len(row.response) <= longest
            and len(asked) >= self._settings.instruction_words
            and f" {' '.join(asked)} " not in f" {' '.join(words(row.response))} "
        )


def _apart(rows: Sequence[Pair], last: int) -> tuple[list[Pair], list[Pair]]:
    """Return the earlier and the last rows, each in the order of their hashes."""
    by_hash = (sorted(part, key=_share) for part in (rows[:-last], rows[-last:]))
    return next(by_hash), next(by_hash)


def _share(pair: Pair) -> float:
    return hash_fraction(seed_id(pair.instruction, pair.context or None, pair.response))


def _passages(documents: Iterable[Document], settings: LoopSettings) -> list[Segment]:
    """Return the first passages by hash. Raises SourceError if there are too few."""
    shortest, longest = settings.passage_characters
    segmenter = Segmenter(SegmenterSettings(min_characters=shortest, max_characters=longest))
    outcomes = [asyncio.run(segmenter.handle(document)) for document in documents]
    found = {each.id: each for some in outcomes for each in some if isinstance(each, Segment)}
    chosen = sorted(found.values(), key=lambda segment: hash_fraction(segment.id))
    if len(chosen) < settings.passages:
        raise SourceError(
            f"the documents have {len(chosen)} passages of {shortest} to {longest} characters: "
            f"{settings.passages} are needed; add documents"
        )
    return chosen[: settings.passages]


def _segment(pair: Pair) -> Segment:
    id = segment_id(pair.response)
    return Segment(id=id, document_id=id, source=DOLLY, position=0, text=pair.response)


def _fold(text: str) -> str:
    return " ".join(text.split()).lower()
