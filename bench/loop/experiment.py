"""Runs the steps of the experiment in order.

These are one base, then the loop and its controls for each training seed.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from bench.loop import stages
from bench.loop.base import pretrain
from bench.loop.measure import measure, ranked_first, validate
from bench.loop.settings import LoopSettings
from bench.loop.splits import Split, split
from bench.loop.steps import Steps
from bench.loop.tune import release_of, tune
from models.evaluation.rouge import rouge_l, words
from models.releases.checkpoints import sha256_of
from models.seeds.pairs import Pair
from schemas.records import Candidate, Example, Scored

_ANYTHING = 1.0
"""A threshold that every rating reaches."""


class Arm(StrEnum):
    """A training set, and the number of tokens for which the base is trained on it."""

    M0 = "m0"
    """Seeds alone, for ``seed_only_tokens``. This model writes the candidates."""
    SEED_ONLY = "seed-only"
    """Seeds alone, for as long as the loop's models."""
    M1 = "m1"
    """Seeds and the candidates that M0 rates best."""
    UNCURATED = "uncurated"
    """Seeds and as many random candidates that pass the curator's other rules."""
    CURATED_ONLY = "curated-only"
    """M1's training set without the seeds."""
    M2 = "m2"
    """Seeds and the candidates of M0 that M1 rates best."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Paths of the data and of the results."""

    data: Path
    documentation: Path
    work: Path


def identity(inputs: Inputs, settings: LoopSettings) -> dict[str, Any]:
    """Return everything that determines the results."""
    return {
        "settings": asdict(settings),
        "data": sha256_of(inputs.data),
        "documentation": sha256_of(inputs.documentation),
    }


def run(inputs: Inputs, settings: LoopSettings, steps: Steps) -> None:
    """Run every step that has no result yet."""
    divided = split(inputs.data, inputs.documentation, settings)
    experiment = _Experiment(inputs.work, settings, divided, steps)
    steps.do("data", lambda: {"counts": divided.counts})
    steps.do("base", lambda: pretrain(settings, divided, inputs.work / "base", steps.note))
    rate = experiment.chosen_rate()
    for seed in settings.training_seeds:
        experiment.one_seed(seed, rate)


@dataclass(frozen=True, slots=True)
class _Experiment:
    work: Path
    settings: LoopSettings
    split: Split
    steps: Steps

    def chosen_rate(self) -> float:
        """Return the learning rate with which M0 is best on validation pairs.

        It is chosen with the first training seed.
        """
        seed = self.settings.training_seeds[0]
        for rate in self.settings.rates:
            self.train(Arm.M0, seed, rate, ())

        def choose() -> dict[str, Any]:
            found = [
                [
                    rate,
                    validate(self.run_of(Arm.M0, seed, rate) / "checkpoint", self.split.validation),
                ]
                for rate in rates
            ]
            return {"validation": found, "rate": min(found, key=lambda row: row[1])[0]}

        rates = self.settings.rates
        return float(self.steps.do("rate", choose)["rate"])

    def one_seed(self, seed: int, rate: float) -> None:
        """Run the loop and its controls with one training seed."""
        self.train(Arm.M0, seed, rate, ())
        self.measure(Arm.M0, seed, rate)
        candidates = self.written(seed, rate)
        first = self.rated(Arm.M0, seed, rate, candidates)
        kept = self.curated(Arm.M1, seed, first)
        self.train(Arm.M1, seed, rate, kept)
        self.measure(Arm.M1, seed, rate)
        second = self.rated(Arm.M1, seed, rate, candidates)
        kept_again = self.curated(Arm.M2, seed, second)
        at_random = self.uncurated(seed, first, len(kept))
        for arm, examples in (
            (Arm.M2, kept_again),
            (Arm.UNCURATED, at_random),
            (Arm.SEED_ONLY, ()),
            (Arm.CURATED_ONLY, kept),
        ):
            if self.train(arm, seed, rate, examples):
                self.measure(arm, seed, rate)
        self.quality(
            seed,
            rate,
            candidates,
            first,
            second,
            {Arm.M1: kept, Arm.M2: kept_again, Arm.UNCURATED: at_random},
        )

    def run_of(self, arm: Arm, seed: int, rate: float) -> Path:
        return self.work / "runs" / f"{arm}-{seed}-{rate:g}"

    def train(self, arm: Arm, seed: int, rate: float, examples: Sequence[Example]) -> bool:
        """Train a model; return whether there is one.

        There is none if the arm has no seeds and nothing was curated.
        """
        human = () if arm is Arm.CURATED_ONLY else self.split.seeds
        if not human and not examples:
            self.steps.do(
                f"{arm}-{seed}-{rate:g}.train", lambda: {"skipped": "nothing was curated"}
            )
            return False
        tokens = self.settings.seed_only_tokens if arm is Arm.M0 else self.settings.tokens
        chosen = self.settings.training(tokens, seed, rate)
        base, place = self.work / "base" / "checkpoint", self.run_of(arm, seed, rate)
        self.steps.do(
            f"{place.name}.train",
            lambda: tune(base, human, examples, chosen, place, self.steps.note),
        )
        return True

    def measure(self, arm: Arm, seed: int, rate: float) -> None:
        place = self.run_of(arm, seed, rate)

        def body() -> dict[str, Any]:
            self.steps.note("export")
            release = release_of(place, "base")
            return measure(
                place / "checkpoint", release, self.split, self.settings, self.steps.note
            )

        self.steps.do(f"{arm}-{seed}.measure", body)

    def written(self, seed: int, rate: float) -> list[Candidate]:
        """Return M0's candidates for all unlabelled texts."""

        def body() -> dict[str, Any]:
            release = release_of(self.run_of(Arm.M0, seed, rate), "base")
            candidates, refused = asyncio.run(
                stages.write(
                    release, self.split.unlabelled, self.settings.sampling(), self.steps.note
                )
            )
            return {"candidates": stages.dump(candidates), "refused": refused}

        return [
            Candidate.model_validate(one)
            for one in self.steps.do(f"m0-{seed}.candidates", body)["candidates"]
        ]

    def rated(
        self, arm: Arm, seed: int, rate: float, candidates: Sequence[Candidate]
    ) -> list[Scored]:
        def body() -> dict[str, Any]:
            release = release_of(self.run_of(arm, seed, rate), "base")
            scored, refused = asyncio.run(stages.rate(release, candidates, self.steps.note))
            return {"scored": stages.dump(scored), "refused": refused}

        return [
            Scored.model_validate(one)
            for one in self.steps.do(f"{arm}-{seed}.ratings", body)["scored"]
        ]

    def curated(self, arm: Arm, seed: int, scored: Sequence[Scored]) -> list[Example]:
        """Return the curated examples of ``arm``.

        These are the best share by rating, less what the curator's other rules refuse.
        """
        threshold = best_share(
            sorted((one.rating.score for one in scored), reverse=True), self.settings.curated_share
        )
        return self._kept(f"{arm}-{seed}.set", scored, threshold)

    def uncurated(self, seed: int, scored: Sequence[Scored], count: int) -> list[Example]:
        """Return ``count`` random candidates of any rating that pass the curator's other rules."""
        return self._kept(
            f"uncurated-{seed}.set",
            random.Random(seed).sample(scored, len(scored)),
            _ANYTHING,
            count,
        )

    def _kept(
        self, name: str, scored: Sequence[Scored], threshold: float, count: int | None = None
    ) -> list[Example]:
        def body() -> dict[str, Any]:
            examples, refused = asyncio.run(stages.curate(scored, self.split.seeds, threshold))
            passing = sum(one.rating.score >= threshold for one in scored)
            return {
                "examples": stages.dump(examples[:count]),
                "refused": refused,
                "threshold": threshold,
                "passing": passing,
            }

        return [Example.model_validate(one) for one in self.steps.do(name, body)["examples"]]

    def quality(
        self,
        seed: int,
        rate: float,
        candidates: Sequence[Candidate],
        first: Sequence[Scored],
        second: Sequence[Scored],
        sets: dict[Arm, list[Example]],
    ) -> None:
        """Compare the candidates with the true instructions of the unlabelled responses.

        The result also has their ratings, and the sets to which they belong.
        """

        def body() -> dict[str, Any]:
            answered = self.split.answered
            release = release_of(self.run_of(Arm.M0, seed, rate), "base")
            self.steps.note("ranking instructions")
            found = ranked_first(
                release,
                [Pair(truth, segment.text) for segment, truth in answered],
                self.settings.choices,
            )
            written = {one.provenance.segment_id: one.instruction for one in candidates}
            ratings = {
                arm: {one.candidate.provenance.segment_id: one.rating.score for one in scored}
                for arm, scored in ((Arm.M0, first), (Arm.M1, second))
            }
            members = {
                arm: {example.provenance.segment_id for example in examples}
                for arm, examples in sets.items()
            }
            texts = [written.get(segment.id, "") for segment, _ in answered]
            truths = [truth for _, truth in answered]
            shown = range(min(self.settings.samples, len(answered)))
            return {
                "written": [bool(text) for text in texts],
                "rouge": [
                    rouge_l(words(text), words(truth))
                    for text, truth in zip(texts, truths, strict=True)
                ],
                "nearest": nearest(texts, truths, self.settings.choices),
                "first": found,
                "rating": {
                    arm: [scores.get(segment.id) for segment, _ in answered]
                    for arm, scores in ratings.items()
                },
                "member": {
                    arm: [segment.id in ids for segment, _ in answered]
                    for arm, ids in members.items()
                },
                "documentation": {
                    arm: len(ids - self.split.truths.keys()) for arm, ids in members.items()
                },
                "samples": [
                    [
                        answered[index][0].text[:300],
                        truths[index],
                        texts[index],
                        ratings[Arm.M0].get(answered[index][0].id),
                    ]
                    for index in shown
                ],
            }

        self.steps.do(f"quality-{seed}", body)


def best_share(scores: Sequence[float], share: float) -> float:
    """Return the threshold that this share of ``scores`` reaches; 5 if there are none.

    ``scores`` are sorted, highest first.
    """
    return scores[max(1, round(share * len(scores))) - 1] if scores else 5.0


def nearest(texts: Sequence[str], truths: Sequence[str], choices: int) -> list[float]:
    """Return 1 for each text that is nearest to its own truth (ROUGE-L), else 0.

    It is compared with the truths of the ``choices`` - 1 following rows. A tie is 0.
    """
    said, true = [words(text) for text in texts], [words(truth) for truth in truths]
    count = len(true)
    found: list[float] = []
    for index, mine in enumerate(said):
        others = [true[(index + step) % count] for step in range(1, choices)]
        found.append(
            float(
                rouge_l(mine, true[index]) > max(map(partial(rouge_l, mine), others), default=0.0)
            )
        )
    return found
