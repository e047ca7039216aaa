"""How well a judge that learns from rated pairs rates others, by cross-validation.

``python -m bench.rated MODEL DIRECTORY RATINGS --graded FILE``. DIRECTORY has ``rated.jsonl``, and
RATINGS the same pairs with the document of each (segment, source). FILE keeps the evidence about
the graded pairs made from seeds. The pairs are divided by document into ten parts. Each part is
rated by judges that were fitted without it, with their own cross-validation, factor and scale.

Prints Markdown, with 95% bootstrap intervals over the rated pairs.
"""

import argparse
import asyncio
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.progress import say
from bench.writer.measure import Subject
from models.evaluation.bootstrap import Estimate, bootstrap_interval
from models.evaluation.metrics import KEPT_LABEL, Array, auc, rank_correlation
from models.judging.evidence import EvidenceKind
from models.judging.fitting import GradedEvidence, fit_to
from models.judging.gathering import HUMAN_PAIRS, gather
from models.judging.judge import Judge
from models.judging.rated import RatedEvidence, read_rated
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair

Flags = np.ndarray[Any, np.dtype[np.bool_]]

_PARTS = 10
_THRESHOLDS = (3.0, 3.5, 4.0, 4.25)
_TARGETS = (0.5, 0.6, 0.7)


def graded_evidence(file: Path, model: str, work: Path) -> list[GradedEvidence]:
    """The evidence that a file keeps; it is gathered and written where there is no such file."""
    if not file.is_file():
        served = Subject.load(model, work).model
        seeds = [Pair.of(seed) for seed in split(read_seeds())[0]][:HUMAN_PAIRS]
        try:
            found = asyncio.run(gather(served.engine, served.prompter, seeds, say))
        finally:
            served.close()
        file.write_text("".join(f"{json.dumps(asdict(each))}\n" for each in found))
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [
        GradedEvidence(row["source"], row["kind"], row["grade"], row["evidence"]) for row in rows
    ]


def parts_of(documents: Sequence[str]) -> Array:
    """[N] numbers of the parts that the documents of N pairs are in."""
    names = sorted(set(documents))
    random.Random(0).shuffle(names)
    return np.array([names.index(document) % _PARTS for document in documents])


class OutOfFold:
    """Ratings of N pairs by judges that were fitted without the pairs' documents."""

    def __init__(
        self,
        graded: Sequence[GradedEvidence],
        rated: Sequence[RatedEvidence],
        parts: Array,
        kind: EvidenceKind,
        *,
        learn: bool,
    ) -> None:
        """Without ``learn`` the judges see no rated pair."""
        self.scores = np.array([each.score for each in rated], np.float64)
        self.ratings = np.zeros(len(rated))
        self.targets = {target: np.zeros(len(rated)) for target in _TARGETS}
        for part in range(_PARTS):
            left_out = np.flatnonzero(parts == part).tolist()
            others = [rated[row] for row in np.flatnonzero(parts != part).tolist()] if learn else []
            judge = _judge(graded, others, kind)
            self.ratings[left_out] = judge.ratings([rated[row].evidence for row in left_out])
            for target, lowest in self.targets.items():
                point = judge.threshold_for(target)
                lowest[left_out] = point.threshold if point else math.inf

    def lines(self, called: str) -> Iterator[str]:
        """The rows of the report."""
        ratings, scores = self.ratings, self.scores
        good = scores >= KEPT_LABEL
        count = len(scores)
        correlation = bootstrap_interval(
            lambda rows: rank_correlation(ratings[rows], scores[rows]), count
        )
        separation = bootstrap_interval(
            lambda rows: auc(ratings[rows][good[rows]], ratings[rows][~good[rows]]), count
        )
        yield f"| {called} | rank correlation {_text(correlation)} | AUC {_text(separation)} |"
        for threshold in _THRESHOLDS:
            yield self._at(f"{called}, {threshold:g}", ratings >= threshold)
        for target, lowest in self.targets.items():
            yield self._at(f"{called}, target {target:g}", ratings >= lowest)

    def _at(self, called: str, kept: Flags) -> str:
        good = self.scores >= KEPT_LABEL
        share = bootstrap_interval(lambda rows: float(kept[rows].mean()), len(kept))
        precision = bootstrap_interval(
            lambda rows: float(good[rows][kept[rows]].mean()) if kept[rows].any() else 0.0,
            len(kept),
        )
        return f"| {called} | {_text(share)} of {len(kept)} | {_text(precision)} |"


def _judge(
    graded: Sequence[GradedEvidence], rated: Sequence[RatedEvidence], kind: EvidenceKind
) -> Judge:
    judges = fit_to(graded, rated)
    judge = judges.of(kind) if judges else None
    assert judge is not None, "the seeds do not fit the context window"
    return judge


def _text(found: Estimate) -> str:
    value, low, high = found
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rated", description=__doc__)
    parser.add_argument("model", help="a name of `backstream models list --available`")
    parser.add_argument("directory", type=Path, help="directory with rated.jsonl")
    parser.add_argument("ratings", type=Path, help="JSON lines with segment and source")
    parser.add_argument("--graded", type=Path, required=True, help="file that keeps evidence")
    parser.add_argument("--work", type=Path, default=Path("work/judges"), help="for the graphs")
    options = parser.parse_args()
    graded = graded_evidence(options.graded, options.model, options.work)
    rated = read_rated(options.directory)
    rows = map(json.loads, options.ratings.read_text(encoding="utf-8").splitlines())
    documents = {row["segment"]: row["source"] for row in rows}
    parts = parts_of([documents[each.id] for each in rated])
    print("| judge and threshold | accepted | of these rated 4 or 5 |\n|---|---|---|")
    for learn in (False, True):
        for kind in (EvidenceKind.LIKELIHOOD, EvidenceKind.COMBINED):
            found = OutOfFold(graded, rated, parts, kind, learn=learn)
            for line in found.lines(f"{kind}, {'learned' if learn else 'before'}"):
                print(line)


if __name__ == "__main__":
    main()
