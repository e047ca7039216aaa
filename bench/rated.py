"""How well a judge that learns from rated pairs rates others, by cross-validation.

``python -m bench.rated MODEL RATINGS... --evidence DIRECTORY... --graded FILE``. Each RATINGS is a
set of pairs with the document of each (segment, source), and each DIRECTORY has a ``rated.jsonl``
with the evidence about some. FILE keeps the evidence about the graded pairs made from seeds. The
pairs are divided by document into ten parts. Each part is rated by judges that were fitted without
it, with their own cross-validation, factor and scale. With ``--by-set`` each set is a part: it is
rated by judges that learned from the others.

Prints Markdown for each set, with 95% bootstrap intervals over the documents.
"""

import argparse
import asyncio
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.progress import say
from bench.writer.measure import Subject
from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.metrics import KEPT_LABEL, Array, auc, rank_correlation
from models.judging.evidence import EvidenceKind
from models.judging.fitting import GradedEvidence, fit_to
from models.judging.gathering import HUMAN_PAIRS, gather
from models.judging.judge import Judge
from models.judging.rated import RatedEvidence, read_rated
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.int_]]

_PARTS = 10
_THRESHOLDS = (3.0, 3.5, 4.0, 4.25)
_TARGETS = (0.5, 0.6, 0.7)
_HEAD = """\
| judge and threshold | accepted | of these rated 4 or 5 | recall | estimated precision |
|---|---|---|---|---|"""


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


def parts_of(documents: Sequence[str]) -> Numbers:
    """[N] numbers of the parts that the documents of N pairs are in."""
    names = sorted(set(documents))
    random.Random(0).shuffle(names)
    return np.array([names.index(document) % _PARTS for document in documents])


@dataclass(frozen=True, slots=True)
class RatedSet:
    """A file of ratings: the document of each pair, by the pair's id."""

    name: str
    documents: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> "RatedSet":
        """Read JSON lines with segment and source."""
        rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        return cls(str(file), {row["segment"]: row["source"] for row in rows})


class OutOfFold:
    """Ratings of N pairs by judges that were fitted without the part that a pair is in."""

    def __init__(
        self,
        graded: Sequence[GradedEvidence],
        rated: Sequence[RatedEvidence],
        parts: Numbers,
        kind: EvidenceKind,
        *,
        learn: bool,
    ) -> None:
        """Without ``learn`` the judges see no rated pair."""
        count = len(rated)
        self.scores = np.array([each.score for each in rated], np.float64)
        self.ratings = np.zeros(count)
        self.targets = {target: np.zeros(count) for target in _TARGETS}
        """The threshold for a precision."""
        self.estimates = {threshold: np.zeros(count) for threshold in _THRESHOLDS}
        """The precision that the judge estimates for a threshold."""
        for part in np.unique(parts):
            left_out = np.flatnonzero(parts == part).tolist()
            others = [rated[row] for row in np.flatnonzero(parts != part).tolist()] if learn else []
            judge = _judge(graded, others, kind)
            self.ratings[left_out] = judge.ratings([rated[row].evidence for row in left_out])
            for threshold, estimate in self.estimates.items():
                estimate[left_out] = judge.at(threshold).precision
            for target, lowest in self.targets.items():
                point = judge.threshold_for(target)
                lowest[left_out] = point.threshold if point else math.inf

    def lines(self, called: str, rows: Numbers, documents: Sequence[str]) -> Iterator[str]:
        """The lines of the report about some of the pairs, which are of these documents."""
        found = _Figures(self.ratings[rows], self.scores[rows], documents)
        yield f"| {called} | {found.correlation()} | AUC {found.separation()} | | |"
        for threshold in _THRESHOLDS:
            estimate = f"{self.estimates[threshold][rows].mean():.2f}"
            yield f"| {called}, {threshold:g} | {found.at(threshold)} | {estimate} |"
        for target, lowest in self.targets.items():
            yield f"| {called}, target {target:g} | {found.at(lowest[rows])} | {target:g} |"


class _Figures:
    """How ratings of N pairs compare with the rater's scores. The pairs of a document stay together
    in the resamples.
    """

    def __init__(self, ratings: Array, scores: Array, documents: Sequence[str]) -> None:
        self._ratings, self._scores = ratings, scores
        self._good: Flags = scores >= KEPT_LABEL
        names = np.array(documents)
        self._documents = [np.flatnonzero(names == name) for name in sorted(set(documents))]

    def correlation(self) -> str:
        """Spearman's."""
        return self._text(lambda rows: rank_correlation(self._ratings[rows], self._scores[rows]))

    def separation(self) -> str:
        """AUC of those at 4 or more against the others."""

        def of(rows: Numbers) -> float:
            ratings, good = self._ratings[rows], self._good[rows]
            return auc(ratings[good], ratings[~good])

        return self._text(of)

    def at(self, threshold: float | Array) -> str:
        """Share of the pairs that is accepted, its precision, and its recall."""
        kept, good = self._ratings >= threshold, self._good
        both = kept & good
        shares = (
            lambda rows: _share(kept[rows], len(rows)),
            lambda rows: _share(both[rows], kept[rows].sum()),
            lambda rows: _share(both[rows], good[rows].sum()),
        )
        return " | ".join(map(self._text, shares))

    def _text(self, statistic: Callable[[Numbers], float]) -> str:
        documents = self._documents
        value, low, high = bootstrap_interval(
            lambda drawn: statistic(np.concatenate([documents[number] for number in drawn])),
            len(documents),
        )
        return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _share(counted: Flags, of: int) -> float:
    return float(counted.sum() / of) if of else 0.0


def _judge(
    graded: Sequence[GradedEvidence], rated: Sequence[RatedEvidence], kind: EvidenceKind
) -> Judge:
    judges = fit_to(graded, rated)
    judge = judges.of(kind) if judges else None
    assert judge is not None, "the seeds do not fit the context window"
    return judge


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rated", description=__doc__)
    parser.add_argument("model", help="a name of `backstream models list --available`")
    parser.add_argument("ratings", type=Path, nargs="+", help="JSON lines with segment and source")
    parser.add_argument(
        "--evidence", type=Path, nargs="+", required=True, help="directories with rated.jsonl"
    )
    parser.add_argument("--graded", type=Path, required=True, help="file that keeps evidence")
    parser.add_argument("--by-set", action="store_true", help="leave out one file of ratings each")
    parser.add_argument("--work", type=Path, default=Path("work/judges"), help="for the graphs")
    options = parser.parse_args()
    graded = graded_evidence(options.graded, options.model, options.work)
    sets = [RatedSet.read(file) for file in options.ratings]
    documents = {id: document for each in sets for id, document in each.documents.items()}
    known = [each for directory in options.evidence for each in read_rated(directory)]
    rated = [each for each in known if each.id in documents]
    of_set = np.array(
        [next(n for n, one in enumerate(sets) if each.id in one.documents) for each in rated]
    )
    parts = of_set if options.by_set else parts_of([documents[each.id] for each in rated])
    found = {
        f"{kind}, {'learned' if learn else 'before'}": OutOfFold(
            graded, rated, parts, kind, learn=learn
        )
        for learn in (False, True)
        for kind in (EvidenceKind.LIKELIHOOD, EvidenceKind.COMBINED)
    }
    for number, one in enumerate(sets):
        rows = np.flatnonzero(of_set == number)
        of_rows = [documents[rated[row].id] for row in rows.tolist()]
        good = np.mean([rated[row].score >= KEPT_LABEL for row in rows.tolist()])
        print(f"\n{one.name}: {len(rows)} pairs, {good:.0%} of them rated 4 or 5\n\n{_HEAD}")
        for called, each in found.items():
            print("\n".join(each.lines(called, rows, of_rows)))


if __name__ == "__main__":
    main()
