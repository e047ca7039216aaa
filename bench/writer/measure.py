"""Asks a model: how likely true instructions are, and what it writes."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.progress import say
from bench.writer.material import RankedRow
from bench.writer.records import R, Ranked, Records, Written
from models.atomic_file import atomic_directory
from models.engine import Engine
from models.judging.shared_scores import SharedScores
from models.progress import at_intervals
from models.prompts.layout import Prompter
from models.prompts.template import Task
from models.releases.cache import default_cache
from models.releases.checkpoints import checkpoint_digest
from models.releases.sources import checkpoint_of
from models.sampling import Sampling
from models.serving.served_model import ServedModel
from schemas.errors import PromptTooLong

_AT_ONCE = 16
"""Rows or passages that are asked about at once, and then kept."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model as it would be served on a CPU, without a judge."""

    name: str
    digest: str
    """The first digits of the checkpoint's, for names of files."""
    model: ServedModel

    @classmethod
    def load(cls, name: str, work: Path, precision: str = "auto") -> "Subject":
        """Load a model. Its graphs are written into ``work`` the first time."""
        checkpoint = checkpoint_of(name, default_cache(), say)
        digest = checkpoint_digest(checkpoint)[:8]
        graphs = work / f"{name}-{digest}"
        if not graphs.is_dir():
            work.mkdir(parents=True, exist_ok=True)
            with atomic_directory(graphs) as partial:
                command = [sys.executable, "-m", "models.export", str(checkpoint), str(partial)]
                subprocess.run(command, check=True)
        engine = Engine.load(graphs, device="cpu", precision=precision)
        return cls(name, digest, ServedModel(name, engine, Prompter.load(graphs)))

    def file(self, work: Path, what: str) -> Path:
        """Where records of this model are kept."""
        return work / f"{self.name}-{self.digest}.{what}.jsonl"


async def rank(model: ServedModel, rows: Mapping[str, RankedRow], kept: Records[Ranked]) -> None:
    """Rank the true instruction of each row that has no record yet."""
    prompter, score = model.prompter, model.engine.score
    nothing, shared = prompter.nothing(Task.BACKWARD), SharedScores()

    async def without_response(target: Sequence[int]) -> float:
        found = await shared.get(tuple(target), lambda: score(nothing, target))
        return float(found.sum())

    async def one(key: str) -> Ranked:
        row = rows[key]
        targets = [prompter.target(text) for text in (row.pair.instruction, *row.rivals)]
        prompt = prompter.backward(row.pair.response)
        given = [float(sum(await score(prompt, target))) for target in targets]
        alone = [await without_response(target) for target in targets]
        gains = [
            (without - with_it) / len(target)
            for without, with_it, target in zip(alone, given, targets, strict=True)
        ]
        return Ranked(
            key,
            len(row.pair.instruction) + 1,
            len(targets[0]),
            given[0],
            alone[0],
            sum(gain >= gains[0] for gain in gains[1:]),
        )

    await _keep(kept, rows, one, "ranked")


async def write(
    model: ServedModel,
    texts: Mapping[str, tuple[str, Sequence[str]]],
    sampling: Sampling,
    openings: Mapping[str, float],
    kept: Records[Written],
) -> None:
    """Write an instruction for each text, given with its headings, that has no record yet."""

    async def one(key: str) -> Written:
        text, headings = texts[key]
        try:
            found = await model.write_instruction(
                key, text, None, sampling, headings=headings, openings=openings
            )
        except PromptTooLong:
            return Written(key, None)
        return Written(key, found.instruction, found.complete)

    await _keep(kept, texts, one, "written")


async def _keep(
    kept: Records[R], keys: Iterable[str], one: Callable[[str], Awaitable[R]], verb: str
) -> None:
    """Make the records that are missing, some at a time."""
    missing, tick = kept.missing(keys), at_intervals(say)
    for start in range(0, len(missing), _AT_ONCE):
        kept.append(await asyncio.gather(*map(one, missing[start : start + _AT_ONCE])))
        tick(f"{verb} {min(start + _AT_ONCE, len(missing))} of {len(missing)}")
