"""Divides the data into disjoint parts by position and hash.

The parts are seeds, unlabelled responses, held-out and validation pairs, and texts of the base.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.curation.novelty import NoveltyIndex
from bench.loop.settings import LoopSettings
from models.evaluation.rouge import words
from models.house.data import read_pairs
from models.seeds.formats import make_seed
from models.seeds.pairs import Pair
from schemas.errors import SourceError
from schemas.ids import document_id, hash_fraction, seed_id, segment_id
from schemas.records import Example, Segment

DOLLY = "dolly"
"""Source of a segment that is a response of the instruction data.

The source of documentation is its file name.
"""


@dataclass(frozen=True, slots=True)
class Split:
    """The data of the experiment.

    No two rows have instructions near to each other, or the same response.
    """

    seeds: tuple[Example, ...]
    held_out: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    unlabelled: tuple[Segment, ...]
    """Responses and passages in the order of their ids."""
    truths: dict[str, str]
    """Human instruction by segment id, for measuring only. Passages have none."""
    dolly_texts: tuple[str, ...]
    passage_texts: tuple[str, ...]
    """Texts on which the base is trained. None contains an instruction of the pairs above."""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> list[tuple[Segment, str]]:
        """Unlabelled responses with their true instructions, in the order of ``unlabelled``."""
        return [
            (segment, self.truths[segment.id])
            for segment in self.unlabelled
            if segment.id in self.truths
        ]


def split(data: Path, documentation: Path, settings: LoopSettings) -> Split:
    """Divide a Dolly-format file and the output of ``backstream segment``.

    Raises SourceError if there is too little data.
    """
    rows = read_pairs(data)
    counts: Counter[str] = Counter({"rows": len(rows)})
    earlier, last = _apart(rows, settings.last_rows)
    choose = _Chooser(settings, counts)
    held_out = choose.some(last, settings.held_out, "held-out pairs")
    rest = iter(earlier)
    validation = choose.some(rest, settings.validation, "validation pairs")
    responses = choose.some(rest, settings.unlabelled, "unlabelled responses")
    seeds = choose.some(rest, settings.seeds, "seeds")

    passages = _passages(documentation)
    fitting = [
        segment for segment in passages if _within(segment.text, settings.passage_characters)
    ]
    fitting = sorted(
        {segment.id: segment for segment in fitting}.values(),
        key=lambda segment: hash_fraction(segment.id),
    )
    chosen = fitting[: settings.passages]
    if len(chosen) < settings.passages:
        raise SourceError(
            f"{documentation} has {len(chosen)} passages of a fitting length: "
            f"{settings.passages} are needed; add documentation"
        )
    answers = {_segment(pair).id: pair for pair in responses}
    unlabelled = sorted([*map(_segment, responses), *chosen], key=lambda segment: segment.id)

    secret = [pair.instruction for pair in (*held_out, *validation, *responses, *seeds)]
    unread = {_fold(pair.response) for pair in (*held_out, *validation)}
    texts = [_text(row) for row in earlier if _fold(row.response) not in unread]
    counts["texts left out for a response that is measured on"] = len(earlier) - len(texts)
    of_passages = ["\n\n".join((*segment.headings[-1:], segment.text)) for segment in passages]
    kept: list[tuple[str, ...]] = []
    for some in (texts, of_passages):
        quoting = texts_that_quote(some, secret)
        counts["texts left out for an instruction in them"] += len(quoting)
        kept.append(
            tuple(text for index, text in enumerate(some) if index not in quoting)[
                : settings.base_texts
            ]
        )
    counts["texts of the base, Dolly"], counts["texts of the base, documentation"] = map(len, kept)
    counts["unlabelled passages"] = len(chosen)
    return Split(
        seeds=tuple(make_seed(pair.instruction, None, pair.response) for pair in seeds),
        held_out=tuple(held_out),
        validation=tuple(validation),
        unlabelled=tuple(unlabelled),
        truths={id: pair.instruction for id, pair in answers.items()},
        dolly_texts=kept[0],
        passage_texts=kept[1],
        counts=dict(counts),
    )


def texts_that_quote(texts: Sequence[str], instructions: Iterable[str], start: int = 4) -> set[int]:
    """Return the indices of the texts that contain one of the instructions.

    Case and punctuation are ignored. Instructions of fewer than ``start`` words are skipped,
    because so few words occur by chance.
    """
    by_start: defaultdict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for instruction in instructions:
        asked = words(instruction)
        if len(asked) >= start:
            by_start[tuple(asked[:start])].append(asked)
    found: set[int] = set()
    for index, text in enumerate(texts):
        said = words(text)
        for at, run in enumerate(zip(*(said[offset:] for offset in range(start)), strict=False)):
            if run in by_start and any(
                said[at : at + len(asked)] == asked for asked in by_start[run]
            ):
                found.add(index)
                break
    return found


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
        return (
            not row.context
            and _within(row.response, self._settings.response_characters)
            and len(asked) >= self._settings.instruction_words
            and not texts_that_quote([row.response], [row.instruction])
        )


def _apart(rows: Sequence[Pair], last: int) -> tuple[list[Pair], list[Pair]]:
    """Return the earlier and the last rows, each in the order of their hashes."""
    by_hash = (sorted(part, key=_share) for part in (rows[:-last], rows[-last:]))
    return next(by_hash), next(by_hash)


def _share(pair: Pair) -> float:
    return hash_fraction(seed_id(pair.instruction, pair.context or None, pair.response))


def _passages(file: Path) -> list[Segment]:
    segments: list[Segment] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            source, text = row["source"], row["text"]
            headings = tuple(row.get("headings") or ())
            segments.append(
                Segment(
                    id=segment_id(text),
                    document_id=document_id(source, ""),
                    source=source,
                    position=number,
                    headings=headings,
                    text=text,
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{file}:{number} is not a line of `backstream segment`: {error!r}"
            ) from error
    return segments


def _segment(pair: Pair) -> Segment:
    id = segment_id(pair.response)
    return Segment(id=id, document_id=id, source=DOLLY, position=0, text=pair.response)


def as_segments(pairs: Iterable[Pair]) -> list[Segment]:
    """Return the responses of pairs as segments, without their instructions."""
    return [_segment(pair) for pair in pairs]


def _text(row: Pair) -> str:
    """Return context and response of a row, without its instruction."""
    return "\n\n".join(part for part in (row.context, row.response) if part)


def _within(text: str, characters: tuple[int, int]) -> bool:
    return characters[0] <= len(text) <= characters[1]


def _fold(text: str) -> str:
    return " ".join(text.split()).lower()
