"""Writes manifests, with golden vectors, and reproduces the vectors.

They are prompts made from fixed texts, and the engine's answers to them when the release was
written. A worker reproduces them before it serves the release. This detects a wrong export, a
changed template and a broken runtime.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.atomic_file import sync, write_atomically
from models.engine import Engine
from models.evaluation.estimate import Estimate
from models.evaluation.verdict import Verdict
from models.judging.judge import Judges
from models.precision import Precision
from models.prompts.layout import Prompter
from models.prompts.own.directory import PROMPTS_FILE
from models.prompts.template import TRAINED_TASKS, Task
from models.releases.checkpoints import sha256_of
from models.releases.release import MANIFEST, GoldenVector, Manifest, read_manifest
from models.releases.trained_on import TrainedOn
from models.sampling import Sampling
from schemas.errors import ModelError

GOLDEN_TOKENS = 16
"""Number of tokens of a golden continuation."""
GOLDEN_TOLERANCE = 1e-3
"""Largest accepted difference of a digit's probability from its golden value, in fp32."""
OTHER_PRECISION_TOLERANCE = 0.1
"""The same in other precisions. Golden values are fp32, and int8 products differ between CPUs."""

_PASSAGES = (
    "Water boils at 100 degrees Celsius at sea level. On a mountain the air is thinner, so "
    "it boils at less.",
    "To open a file, call open() with its name. Use it in a with statement, so that it is "
    "closed again.",
)
_REQUESTS = ("At what temperature does water boil?", "Name three birds.")


@dataclass(frozen=True, slots=True)
class Origin:
    """The fields of a ``Manifest`` that cannot be read from the directory."""

    id: str
    base: str
    parent: str | None = None
    run: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent_metrics: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    trained_on: Mapping[str, TrainedOn] = field(default_factory=dict)
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    verdict: Verdict | None = None
    calibration: tuple[float, float] | None = None
    judges: Judges | None = None


async def write_manifest(directory: Path, origin: Origin) -> Manifest:
    """Turn an exported directory into a release.

    Computes the golden vectors with the engine, hashes the files and writes the manifest. Every
    file is flushed to the disk before the manifest appears. Raises ModelError if the engine cannot
    load the directory.
    """
    prompter = Prompter.load(directory)
    engine = Engine.load(directory, device="cpu", precision=Precision.FP32)
    try:
        golden = tuple(
            [
                await _answer(task, prompt, engine, prompter)
                for task, prompt in _golden_prompts(prompter)
            ]
        )
    finally:
        engine.close()
    files = {file.name: sha256_of(file) for file in sorted(directory.iterdir()) if file.is_file()}
    files.pop(MANIFEST, None)
    manifest = Manifest(
        **{name: getattr(origin, name) for name in origin.__slots__},
        created_at=time.time(),
        templates={task.value: prompter.template(task).id for task in TRAINED_TASKS},
        files=files,
        golden=golden,
    )
    for name in files:
        sync(directory / name)
    write_atomically(directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def require_templates(manifest: Manifest, prompter: Prompter) -> None:
    """Raise ModelError if a release was trained on other prompt templates than the present ones."""
    if prompter.templates.own and PROMPTS_FILE not in manifest.files:
        raise ModelError(
            f"the directory of release {manifest.id} has {PROMPTS_FILE}, which the release was not "
            "made with: delete the file"
        )
    current = {str(task): prompter.template(task).id for task in TRAINED_TASKS}
    differing = sorted(
        task for task, template in manifest.templates.items() if current.get(task) != template
    )
    if differing:
        named = ", ".join(manifest.templates[task] for task in differing)
        raise ModelError(
            f"release {manifest.id} was made with other prompts: {named}, where its directory and "
            f"this version have {', '.join(current.get(task, 'none') for task in differing)}. Copy "
            f"its whole directory, with {PROMPTS_FILE} if it has one, or train a new release"
        )


async def reproduce(directory: Path, engine: Engine, prompter: Prompter) -> None:
    """Compute the golden vectors with ``engine`` and compare them with the manifest.

    Raises ModelError if a prompt has other tokens now, a greedy continuation differs, or the
    probability of a digit differs by more than GOLDEN_TOLERANCE. In other precisions than fp32
    continuations are not compared, and the tolerance is OTHER_PRECISION_TOLERANCE.
    """
    manifest = read_manifest(directory)
    prompts = _golden_prompts(prompter)
    if [(golden.task, list(golden.prompt)) for golden in manifest.golden] != prompts:
        raise ModelError(
            f"release {manifest.id} was written with other prompt templates "
            f"({', '.join(manifest.templates.values())}): build it again with this version"
        )
    same = engine.precision is Precision.FP32
    tolerance = GOLDEN_TOLERANCE if same else OTHER_PRECISION_TOLERANCE
    for golden, (task, prompt) in zip(manifest.golden, prompts, strict=True):
        found = await _answer(task, prompt, engine, prompter)
        if (same and found.greedy != golden.greedy) or _distance(found, golden) > tolerance:
            raise ModelError(
                f"release {manifest.id} does not reproduce its golden vector ({golden.task}) "
                f"on this machine: expected {golden.greedy or golden.probabilities}, found "
                f"{found.greedy or found.probabilities}"
            )


def _golden_prompts(prompter: Prompter) -> list[tuple[Task, list[int]]]:
    prompts = [(Task.BACKWARD, prompter.backward(passage)) for passage in _PASSAGES]
    prompts += [(Task.FORWARD, prompter.forward(_REQUESTS[0]))]
    prompts += [(Task.RATING, prompter.rating(request, _PASSAGES[0])) for request in _REQUESTS]
    return prompts


async def _answer(
    task: Task, prompt: list[int], engine: Engine, prompter: Prompter
) -> GoldenVector:
    if task is Task.RATING:
        rated = await engine.rate(prompt, prompter.digit_ids)
        return GoldenVector(task=task, prompt=tuple(prompt), probabilities=rated.probabilities)
    generated = await engine.generate(prompt, Sampling(max_tokens=GOLDEN_TOKENS), prompter.stop_ids)
    return GoldenVector(task=task, prompt=tuple(prompt), greedy=tuple(generated.ids))


def _distance(found: GoldenVector, golden: GoldenVector) -> float:
    if found.probabilities is None or golden.probabilities is None:
        return 0.0 if found.probabilities is golden.probabilities else 1.0
    return max(
        abs(one - other)
        for one, other in zip(found.probabilities, golden.probabilities, strict=True)
    )
