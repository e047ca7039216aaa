"""Measures how models write instructions: ``python -m bench.writer dolly.jsonl``. Resumable.

The data is the whole file of Dolly-15k, of which the last 1,000 rows are held out. What a model did
is kept in the work directory, so a run that is started again goes on, and one with more rows or
passages adds to it. Figures and samples are of what is there.
"""

import argparse
import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.writer.card import Column, Sample, render
from bench.writer.figures import of_ranks, of_writing, openings
from bench.writer.material import Documentation, RankedRow, held_out_rows
from bench.writer.measure import Subject, rank, write
from bench.writer.records import Ranked, Records, Written
from models.prompts.openings import LEAST_SHARE, OPENINGS
from schemas.records import Segment
from streams.settings import Settings

_CARD = Path("models/writer/CARD.md")
_NAMES = {"house": "house model", "smollm2": "SmolLM2, as it is", "writer": "writer"}
_SAMPLES = 20
_OPENINGS = 8
_SAMPLING = Settings().generation.sampling()
"""As the stream writes."""


def main() -> None:
    options = _options()
    rows = {
        str(number): row for number, row in enumerate(held_out_rows(options.dolly)[: options.rows])
    }
    passages = {
        segment.id: segment for segment in Documentation.read().reported[: options.passages]
    }
    columns, samples = [], _Samples([], [])
    for name in options.models:
        subject = Subject.load(name, options.work, options.precision)
        with contextlib.closing(subject.model):
            kept = _Kept.of(subject, options.work)
            asyncio.run(_measure(subject, kept, rows, passages))
        columns.append(kept.column(_NAMES[name], rows, passages))
        samples = kept.samples(rows, passages)
        print(columns[-1], flush=True)
    if options.card:
        render(options.card, columns, samples.of_documentation, samples.of_rows)


@dataclass(frozen=True, slots=True)
class _Samples:
    of_documentation: list[Sample]
    of_rows: list[Sample]


@dataclass(frozen=True, slots=True)
class _Kept:
    """The records of a model."""

    ranked: Records[Ranked]
    written: Records[Written]

    @classmethod
    def of(cls, subject: Subject, work: Path) -> "_Kept":
        """Read what there is. Other openings or another sampling are kept in another file."""
        chosen = (_SAMPLING, sorted(OPENINGS.items()), LEAST_SHARE)
        how = hashlib.sha256(repr(chosen).encode()).hexdigest()[:8]
        return cls(
            Records(subject.file(work, "ranked"), Ranked),
            Records(subject.file(work, f"written-{how}"), Written),
        )

    def column(
        self, name: str, rows: Mapping[str, RankedRow], passages: Mapping[str, Segment]
    ) -> Column:
        ranked, written = self.ranked.of(rows), self.written.of(passages)
        fitting = sum(one.instruction is not None for one in written)
        return Column(
            name,
            {**(of_ranks(ranked) if ranked else {}), **(of_writing(written) if fitting else {})},
            f"{len(ranked)}; {fitting}",
            openings(written, _OPENINGS),
        )

    def samples(self, rows: Mapping[str, RankedRow], passages: Mapping[str, Segment]) -> _Samples:
        """The first of each kind."""
        documentation = self.written.of(list(passages)[:_SAMPLES])
        pairs = self.written.of(list(rows)[:_SAMPLES])
        return _Samples(
            [
                Sample(
                    passages[one.key].text,
                    " > ".join(passages[one.key].headings[-2:]),
                    one.instruction or "",
                )
                for one in documentation
            ],
            [
                Sample(
                    rows[one.key].pair.response,
                    rows[one.key].pair.instruction,
                    one.instruction or "",
                )
                for one in pairs
            ],
        )


async def _measure(
    subject: Subject,
    kept: _Kept,
    rows: Mapping[str, RankedRow],
    passages: Mapping[str, Segment],
) -> None:
    texts = {key: (one.text, one.headings) for key, one in passages.items()}
    texts |= {key: (rows[key].pair.response, ()) for key in list(rows)[:_SAMPLES]}
    await write(subject.model, texts, _SAMPLING, OPENINGS, kept.written)
    await rank(subject.model, rows, kept.ranked)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.writer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dolly", type=Path, help="Dolly-15k as JSON lines")
    parser.add_argument(
        "--models", nargs="+", choices=_NAMES, default=list(_NAMES), help="the last gives samples"
    )
    parser.add_argument("--rows", type=int, default=1000, help="most held-out rows (default: all)")
    parser.add_argument("--passages", type=int, default=500, help="passages (default: 500)")
    parser.add_argument("--precision", default="auto", help="auto, int8 or fp32 (default: auto)")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work/bench-writer"),
        help="graphs and records (default: work/bench-writer)",
    )
    parser.add_argument(
        "--card", type=Path, nargs="?", const=_CARD, help=f"write into a card (default: {_CARD})"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
