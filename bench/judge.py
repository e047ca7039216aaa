"""How well ratings and their evidence tell true pairs from wrong ones, on held-out human pairs.

Run with ``python -m bench.judge MODEL DATA [--pairs N] [--evidence FILE]``. DATA is a file of
human pairs (``models/seeds/formats.py``), of which the last rows are used. They must be ones that
neither the model nor its judge was trained on. From each pair eight are made
(``models/seeds/labelled.py``). FILE keeps their evidence, a JSON line each, so that a run that was
ended continues.

Prints Markdown: the AUC of true pairs against each kind of wrong pair, and the rank correlation
with the five grades, by each figure alone and by the judges, with 95% bootstrap intervals over the
human pairs.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from models.engine import Engine
from models.evaluation.bootstrap import bootstrap_intervals
from models.evaluation.metrics import Array, auc, rank_correlation
from models.judging.evidence import Evidence, EvidenceKind
from models.judging.examiner import Examiner
from models.judging.judge import Judges
from models.judging.quality import balanced, figures_at, figures_of
from models.prompts.layout import Prompter
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.releases.release import read_manifest
from models.seeds import read_seeds
from models.seeds.labelled import BORROWED, DAMAGED, HARD, KINDS, RANDOM, TRUE, MadePair, every_kind
from models.seeds.pairs import Pair
from schemas.errors import ModelError

_LENGTHS = range(200, 1201)
"""Characters of the responses that are used."""
_LONGEST_INSTRUCTION = 200
_AT_ONCE = 8
_COLUMNS = (*DAMAGED, HARD, RANDOM, BORROWED)
_SIGNALS = {
    "digits": "digit",
    "forward gain": "forward_gain",
    "its sum": "forward_gain_sum",
    "of the first 20 tokens": "forward_gain_head",
    "of the last 20 tokens": "forward_gain_tail",
    "backward gain": "backward_gain",
    "log p(response given instruction)": "response_given",
    "end of the response": "response_end",
}
_THRESHOLDS = (3.0, 3.5, 4.0, 4.5)


@dataclass(frozen=True, slots=True)
class Found:
    """The evidence about one made pair, a line of the file."""

    source: int
    kind: str
    grade: int
    evidence: Evidence


def held_out_pairs(data: Path, rows: int, seed: int = 7) -> list[Pair]:
    """Pairs without a context among the last rows of a file, shuffled."""
    pairs = [Pair.of(example) for example in read_seeds(data)[-rows:]]
    fitting = [
        pair
        for pair in pairs
        if not pair.context
        and len(pair.response) in _LENGTHS
        and len(pair.instruction) < _LONGEST_INSTRUCTION
    ]
    random.Random(seed).shuffle(fitting)
    return fitting


async def gather(release: Path, made: Sequence[MadePair], file: Path, device: str) -> None:
    """Append the evidence about each made pair to a file, human pair by human pair."""
    engine, prompter = Engine.load(release, device=device), Prompter.load(release)
    examiner, room, started = Examiner(engine, prompter), asyncio.Semaphore(_AT_ONCE), time.time()

    async def examined(each: MadePair) -> Found | None:
        pair = each.pair
        async with room:
            try:
                evidence = await examiner.examine(
                    EvidenceKind.COMBINED, pair.instruction, pair.response, pair.context
                )
            except ModelError as error:
                print(f"left out: {error}", file=sys.stderr)
                return None
        assert each.grade is not None
        return Found(each.source, each.kind, each.grade, evidence)

    try:
        with file.open("a", encoding="utf-8") as lines:
            for source in sorted({each.source for each in made}):
                every = await asyncio.gather(*(examined(m) for m in made if m.source == source))
                if all(every):
                    lines.writelines(json.dumps(asdict(each)) + "\n" for each in every if each)
                    lines.flush()
                print(f"pair {source}, {time.time() - started:.0f} s", file=sys.stderr, flush=True)
    finally:
        engine.close()


def read_found(file: Path) -> list[Found]:
    """What a file holds; of a human pair that is not complete, nothing."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [Found(**json.loads(line)) for line in lines if line.endswith("}")]
    counts = {each.source: 0 for each in found}
    for each in found:
        counts[each.source] += 1
    return [each for each in found if counts[each.source] == len(KINDS)]


class HeldOut:
    """The signals about N human pairs: [N, 8], in the order of KINDS."""

    def __init__(self, found: Sequence[Found], judges: Judges | None) -> None:
        """``found`` has every kind of each human pair."""
        ordered = sorted(found, key=lambda each: (each.source, KINDS.index(each.kind)))
        self.pairs = len(ordered) // len(KINDS)
        self.grades = self._table(each.grade for each in ordered)
        evidence = [each.evidence for each in ordered]
        self.signals = {
            called: self._table(each[name] for each in evidence)
            for called, name in _SIGNALS.items()
        }
        if judges:
            for called, judge in (
                ("judge, likelihood", judges.likelihood),
                ("judge, combined", judges.combined),
            ):
                self.signals[called] = self._table(judge.ratings(evidence))

    def _table(self, values: Iterable[float]) -> Array:
        return np.array(list(values), np.float64).reshape(-1, len(KINDS))

    def separations(self, values: Array, rows: Array) -> Mapping[str, float]:
        """AUC of true pairs against each other kind, and the rank correlation.

        The correlation is with the seven labelled pairs: without borrowed words, as the metrics of
        a release have it.
        """
        chosen = values[rows]
        true = chosen[:, KINDS.index(TRUE)]
        found = {kind: auc(true, chosen[:, KINDS.index(kind)]) for kind in _COLUMNS}
        seven = [column for column, kind in enumerate(KINDS) if kind != BORROWED]
        return found | {
            "correlation": rank_correlation(
                chosen[:, seven].ravel(), self.grades[rows][:, seven].ravel()
            )
        }

    def at(self, ratings: Array, threshold: float, rows: Array) -> Mapping[str, float]:
        """What ``figures_at`` gives for these human pairs."""
        grades = self.grades[rows].ravel()
        return figures_at(threshold, ratings[rows].ravel(), grades, balanced(grades))


def tables(held_out: HeldOut, judges: Judges | None) -> str:
    """The report in Markdown."""
    head = (*_COLUMNS, "correlation")
    lines = [
        f"{held_out.pairs} held-out human pairs. AUC of true pairs against each kind, and rank "
        "correlation with the grades.",
        "",
        f"| signal | {' | '.join(head)} |",
        f"|---|{'---|' * len(head)}",
    ]
    for called, values in held_out.signals.items():
        found = bootstrap_intervals(partial(held_out.separations, values), held_out.pairs)
        cells = (
            f"{value:.3f} ({low:.3f} to {high:.3f})"
            for value, low, high in (found[name] for name in head)
        )
        lines.append(f"| {called} | {' | '.join(cells)} |")
    if judges is None:
        return "\n".join([*lines, "", "The release has no judge."])
    ratings, grades = held_out.signals["judge, combined"], held_out.grades
    whole = figures_of(ratings.ravel(), grades.ravel(), KINDS * held_out.pairs)
    lines += [
        "",
        f"Combined, calibration error {whole['calibration_error']:.3f} points (cross-validated at "
        f"the fit: {judges.combined.figures['calibration_error']:.3f}). Each grade counts alike:",
        "",
        "| threshold | accepted | precision | recall | precision as estimated at the fit |",
        "|---|---|---|---|---|",
    ]
    for threshold in _THRESHOLDS:
        at = bootstrap_intervals(partial(held_out.at, ratings, threshold), held_out.pairs)
        cells = (
            f"{value:.2f} ({low:.2f} to {high:.2f})"
            for value, low, high in (at[name] for name in ("acceptance", "precision", "recall"))
        )
        estimated = judges.combined.at(threshold).precision
        lines.append(f"| {threshold:g} | {' | '.join(cells)} | {estimated:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.judge", description=__doc__)
    parser.add_argument("model", help="a model's name, or a checkpoint's or release's directory")
    parser.add_argument("data", type=Path, help="human pairs that nothing was trained on")
    parser.add_argument("--rows", type=int, default=1000, help="rows at the end of DATA to take")
    parser.add_argument("--pairs", type=int, default=100, help="human pairs to measure on")
    parser.add_argument("--evidence", type=Path, help="file that keeps the evidence")
    parser.add_argument("--judges", type=Path, help="JSON of the judges, if not the release's")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda", "auto"])
    options = parser.parse_args()
    file = options.evidence or Path(f"judge-{Path(options.model).name}.jsonl")
    pairs = held_out_pairs(options.data, options.rows)
    found = read_found(file)
    done = {each.source for each in found}
    wanted = range(min(options.pairs, len(pairs)))
    missing = [m for m in every_kind(pairs) if m.source in wanted and m.source not in done]
    judges = None
    if options.judges:
        judges = Judges.model_validate_json(options.judges.read_bytes())
    if missing or judges is None:
        release = prepare(options.model, default_cache(), progress=print)
        judges = judges or read_manifest(release).judges
        if missing:
            asyncio.run(gather(release, missing, file, options.device))
            found = read_found(file)
    print(tables(HeldOut([each for each in found if each.source in wanted], judges), judges))


if __name__ == "__main__":
    main()
