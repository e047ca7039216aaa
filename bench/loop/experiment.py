"""Runs the steps of the experiment in order: the loop and its controls for each training seed."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from bench.loop import measure, ratings, writing
from bench.loop.arms import CURATED, Arm, Signal
from bench.loop.quality import quality
from bench.loop.served import Compute, Served, Server
from bench.loop.settings import LoopSettings
from bench.loop.splits import Split, split
from bench.loop.steps import Done, Steps
from bench.loop.tune import tune
from models.atomic_file import atomic_directory
from models.judging.fitting import FEWEST_SOURCES, fit_to
from models.judging.gathering import gather
from models.judging.judge import Judges
from models.releases.checkpoints import checkpoint_digest, sha256_of
from models.seeds.pairs import Pair
from models.writer.run import prompt_files
from schemas.errors import SettingsError
from schemas.records import Candidate, Document, Example

Work = Callable[[Served, Sequence[int], Done], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the experiment is run on."""

    base: Path
    """A checkpoint directory."""
    data: Path
    """A Dolly-format JSONL file."""
    documents: Iterable[Document]
    work: Path


def identity(inputs: Inputs, settings: LoopSettings) -> dict[str, Any]:
    """Return what determines the results, but for the documents: their passages are a result."""
    return {
        "settings": asdict(settings),
        "data": sha256_of(inputs.data),
        "base": checkpoint_digest(inputs.base),
    }


def run(
    inputs: Inputs,
    settings: LoopSettings,
    steps: Steps,
    compute: Compute,
    seeds: Sequence[int] | None = None,
) -> None:
    """Run every step that has no result yet, with all training seeds or with some of them.

    Runs with other training seeds may share the work directory, once the base is measured. Raises
    PieceOver where the time is over.
    """
    chosen = settings.training_seeds if seeds is None else seeds
    if settings.judge_pairs < FEWEST_SOURCES:
        raise SettingsError(f"judge_pairs is {settings.judge_pairs}: set {FEWEST_SOURCES} or more")
    divided = steps.do("data", lambda: split(inputs.data, inputs.documents, settings).dump())
    prompts = inputs.work / "prompts"
    if not prompts.is_dir():  # kept as they are, so that a later version goes on with the same
        with atomic_directory(prompts) as partly:
            prompt_files(inputs.base, partly)
    served = "-".join(["served", *map(str, chosen)])
    server = Server(inputs.base, prompts, inputs.work / served, compute)
    experiment = _Experiment(inputs.work, settings, Split.load(divided), steps, server)
    experiment.measure(Arm.BASE, None)
    for seed in chosen:
        experiment.one_seed(seed)


@dataclass(frozen=True, slots=True)
class CuratedSet:
    """Candidates that a model is trained on."""

    numbers: tuple[int, ...]
    examples: tuple[Example, ...]

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Self:
        """Read what ``ratings.curate`` returned."""
        return cls(tuple(value["numbers"]), tuple(map(Example.model_validate, value["examples"])))


def name_of(arm: Arm, seed: int | None) -> str:
    """Return the name of a model in the names of its steps."""
    return arm.value if seed is None else f"{arm}-{seed}"


@dataclass(frozen=True, slots=True)
class _Experiment:
    work: Path
    settings: LoopSettings
    split: Split
    steps: Steps
    server: Server

    def one_seed(self, seed: int) -> None:
        """Run the loop and its controls with one training seed."""
        self.train(Arm.M0, seed, ())
        self.measure(Arm.M0, seed)
        candidates = self.candidates(seed)
        first = self.rated(Arm.M0, seed, candidates)
        sets = {
            arm: self.curated(arm, seed, candidates, ratings.best_first(first[signal]))
            for arm, signal in (
                (Arm.M1, Signal.COMBINED),
                (Arm.LIKELIHOOD, Signal.LIKELIHOOD),
                (Arm.DIGITS, Signal.DIGITS),
            )
        }
        order = ratings.in_random_order(first[Signal.COMBINED], seed)
        sets[Arm.RANDOM] = self.curated(Arm.RANDOM, seed, candidates, order)
        self.train_and_measure(Arm.M1, seed, sets[Arm.M1].examples)
        second = self.rated(Arm.M1, seed, candidates)
        sets[Arm.M2] = self.curated(
            Arm.M2, seed, candidates, ratings.best_first(second[Signal.COMBINED])
        )
        by_rater = {f"{Arm.M0}-{signal}": first[signal] for signal in Signal}
        by_rater[f"{Arm.M1}-{Signal.COMBINED}"] = second[Signal.COMBINED]
        numbers = {arm: chosen.numbers for arm, chosen in sets.items()}
        self.steps.do(
            f"quality-{seed}",
            lambda: quality(self.split, candidates, by_rater, numbers, self.settings),
        )
        for arm in (Arm.RANDOM, Arm.LIKELIHOOD, Arm.DIGITS):
            self.train_and_measure(arm, seed, sets[arm].examples)
        self.train_and_measure(Arm.SEED_ONLY, seed, ())
        self.train_and_measure(Arm.CURATED_ONLY, seed, sets[Arm.M1].examples)
        self.train_and_measure(Arm.M2, seed, sets[Arm.M2].examples)

    def train_and_measure(self, arm: Arm, seed: int, examples: Sequence[Example]) -> None:
        if arm in CURATED and len(examples) < self.settings.curated:
            raise SettingsError(
                f"only {len(examples)} candidates pass the curator's rules for {arm}, training "
                f"seed {seed}: {self.settings.curated} are needed; set more unlabelled texts"
            )
        self.train(arm, seed, examples)
        self.measure(arm, seed)

    def place(self, name: str) -> Path:
        return self.work / "runs" / name

    def train(self, arm: Arm, seed: int, examples: Sequence[Example]) -> None:
        human = () if arm is Arm.CURATED_ONLY else self.split.seeds
        steps = self.settings.seed_steps if arm is Arm.M0 else self.settings.steps
        chosen, name = self.settings.training(steps, seed), name_of(arm, seed)
        place, base, prompts = self.place(name), self.server.base, self.server.prompts
        self.steps.do(
            f"{name}.train",
            lambda: tune(base, prompts, human, examples, chosen, place, self.steps.note),
        )
        shutil.rmtree(place / "steps", ignore_errors=True)

    def measure(self, arm: Arm, seed: int | None) -> None:
        """Measure a model on the held-out pairs."""
        pairs, choices = self.split.held_out, self.settings.choices

        def work(served: Served, missing: Sequence[int], done: Done) -> None:
            measure.measure(served, pairs, choices, missing, done)

        name = name_of(arm, seed)
        self.served_items(name, f"{name}.measure", len(pairs) // choices, work, measure.columns)

    def candidates(self, seed: int) -> list[Candidate]:
        """Return M0's candidates for all unlabelled texts."""
        segments, sampling = self.split.unlabelled, self.settings.sampling()

        def work(served: Served, missing: Sequence[int], done: Done) -> None:
            writing.write(served, segments, sampling, missing, done)

        def finish(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
            reasons = [each["refused"] for each in values if "refused" in each]
            return {
                "candidates": [each["candidate"] for each in values if "candidate" in each],
                "refused": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
            }

        name = name_of(Arm.M0, seed)
        found = self.served_items(name, f"{name}.candidates", len(segments), work, finish)
        return [Candidate.model_validate(one) for one in found["candidates"]]

    def rated(
        self, arm: Arm, seed: int, candidates: Sequence[Candidate]
    ) -> dict[Signal, list[float | None]]:
        """Fit the judges of a model, and rate held-out pairs and all candidates.

        The evidence is computed once; every signal rates the same.
        """
        name = name_of(arm, seed)
        judges = self.judges(name)
        held_out = ratings.requests(self.split.held_out[: self.settings.judged])
        self.examined(
            name,
            "judged",
            held_out,
            lambda evidence: {"ratings": ratings.by_request(evidence, judges)},
        )
        pairs = [Pair(one.instruction, one.response) for one in candidates]
        found = self.examined(
            name,
            "ratings",
            pairs,
            lambda evidence: {
                "ratings": {signal: ratings.ratings(evidence, judges, signal) for signal in Signal},
                "evidence": evidence,
            },
        )
        return {signal: found["ratings"][signal] for signal in Signal}

    def judges(self, name: str) -> Judges:
        """Fit the judges of a model on its seeds, as a training does at its end."""
        pairs = [Pair.of(seed) for seed in self.split.seeds[: self.settings.judge_pairs]]

        def body() -> dict[str, Any]:
            with self.serve(name) as served:
                found = asyncio.run(gather(served.engine, served.prompter, pairs, self.steps.note))
            judges = fit_to(found)
            if judges is None:
                raise SettingsError("the seeds do not fit the base's context window")
            return judges.model_dump(mode="json")

        return Judges.model_validate(self.steps.do(f"{name}.judge", body))

    def examined(
        self,
        name: str,
        what: str,
        pairs: Sequence[Pair],
        finish: Callable[[Sequence[Any]], Mapping[str, Any]],
    ) -> dict[str, Any]:
        def work(served: Served, missing: Sequence[int], done: Done) -> None:
            writing.examine(served, pairs, missing, done)

        return self.served_items(name, f"{name}.{what}", len(pairs), work, finish)

    def served_items(
        self,
        name: str,
        step: str,
        count: int,
        work: Work,
        finish: Callable[[Sequence[Any]], Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Do a step of items with a model's engine, which is only loaded where some are missing."""

        def with_engine(missing: Sequence[int], done: Done) -> None:
            with self.serve(name) as served:
                work(served, missing, done)

        return self.steps.do_items(step, count, with_engine, finish)

    @contextmanager
    def serve(self, name: str) -> Iterator[Served]:
        self.steps.note("loading the engine")
        adapter = None if name == Arm.BASE else self.place(name) / "adapter"
        with self.server.serve(name, adapter) as served:
            yield served

    def curated(
        self, arm: Arm, seed: int, candidates: Sequence[Candidate], order: Sequence[int]
    ) -> CuratedSet:
        """Return the first candidates, in this order, that pass the curator's other rules."""
        make = partial(ratings.curate, candidates, order, self.split.seeds, self.settings.curated)
        return CuratedSet.load(self.steps.do(f"{name_of(arm, seed)}.set", make))
