"""A release: a directory that can be served, and the manifest that says what it is.

The manifest is written last, so a directory without one is unfinished. It holds the sum of every
file, and golden vectors: prompts made from fixed texts, and what the engine answered when the
release was written. A worker reproduces them before it serves the release, which catches a wrong
export, a changed template and a broken runtime alike.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.engine import DECODER_FILE, MODEL_FILE, Engine, Precision, Sampling
from models.evaluation.bootstrap import Estimate
from models.evaluation.promotion import Verdict
from models.prompts.layout import Prompter
from models.prompts.templates import Task
from models.releases.checkpoints import sha256_of, weight_files
from schemas.errors import ModelError

MANIFEST = "manifest.json"
REPORT = "report.md"
"""What was measured when it was trained, to read; not there in a model that was only exported."""
GOLDEN_TOKENS = 16
"""Tokens of a golden vector's continuation."""
GOLDEN_TOLERANCE = 1e-3
"""How far the probability of a digit may be from the one that was written down."""
OTHER_PRECISION_TOLERANCE = 0.1
"""The same where the release is not served in fp32, in which golden answers are given: int8
products differ between CPUs.
"""

_PASSAGES = (
    "Water boils at 100 degrees Celsius at sea level. On a mountain the air is thinner, so "
    "it boils at less.",
    "To open a file, call open() with its name. Use it in a with statement, so that it is "
    "closed again.",
)
_REQUESTS = ("At what temperature does water boil?", "Name three birds.")


class GoldenVector(BaseModel):
    """A prompt and what the engine answered to it: a greedy continuation, or the probabilities of
    '1' to '5'.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: Task
    prompt: tuple[int, ...]
    greedy: tuple[int, ...] = ()
    probabilities: tuple[float, float, float, float, float] | None = None


class Manifest(BaseModel):
    """What a release is and where it came from."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    id: str
    parent: str | None
    """Id of the release whose workers curated the training set; None for a model that was only
    exported.
    """
    base: str
    """Id of the release that training started from; its own for a model that was only exported."""
    run: str = ""
    """Hash of what it was trained from: base, parent, examples, ratings, settings. Empty for a
    model that was only exported.
    """
    created_at: float
    """Seconds since the epoch."""
    templates: dict[str, str]
    """Task to the template's name and version."""
    files: dict[str, str]
    """File name to sha256, for every file but the manifest."""
    metrics: dict[str, float] = {}
    parent_metrics: dict[str, float] = {}
    counts: dict[str, int] = {}
    intervals: dict[str, Estimate] = {}
    """Release minus parent, with the ends of the 95% interval, of each held-out figure."""
    verdict: Verdict | None = None
    """The gate's; None for a model that was only exported."""
    calibration: tuple[float, float] | None = None
    """Slope and offset that bring a rating to people's scale; None where ratings are taken as they
    are.
    """
    golden: tuple[GoldenVector, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What the writer of a manifest knows and the directory does not tell. Fields as in
    ``Manifest``.
    """

    id: str
    base: str
    parent: str | None = None
    run: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent_metrics: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    verdict: Verdict | None = None
    calibration: tuple[float, float] | None = None


def release_id(directory: Path, prefix: str, made_from: Iterable[str] = ()) -> str:
    """A readable prefix and 8 hexadecimal digits of the weights' sums and what they were made
    from.
    """
    digest = hashlib.sha256()
    for part in (*(sha256_of(file) for file in weight_files(directory)), *made_from):
        digest.update(f"{part}\n".encode())
    return f"{prefix}-{digest.hexdigest()[:8]}"


async def write_manifest(directory: Path, origin: Origin) -> Manifest:
    """Make an exported directory a release: have the engine answer the golden prompts, sum the
    files, write the manifest.

    Every file is flushed to the disk before the manifest appears. Raises ModelError where the
    engine cannot load it.
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
        templates={task.value: prompter.template(task).id for task in Task},
        files=files,
        golden=golden,
    )
    for name in files:
        _sync(directory / name)
    write_beside(directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def is_release(directory: Path) -> bool:
    """Whether a directory is a finished release."""
    return (directory / MANIFEST).is_file()


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a release. Raises ModelError where it is missing or not a manifest."""
    file = directory / MANIFEST
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"{directory} is not a release: it has no {MANIFEST}, so its writing was never finished"
        ) from error
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise ModelError(
            f"{file} is not a manifest of this version: {where}: {first['msg']}"
        ) from error


def verify(directory: Path, digest: Callable[[Path], str] = sha256_of) -> Manifest:
    """The manifest of a release, all of whose files are there and as they were written.

    Raises ModelError naming the first file that is missing or was changed.
    """
    manifest = read_manifest(directory)
    for name, sum_ in manifest.files.items():
        file = directory / name
        if Path(name).name != name or not file.is_file():
            raise ModelError(
                f"release {manifest.id} in {directory} lacks {name}: delete and build it again"
            )
        if digest(file) != sum_:
            raise ModelError(
                f"{file} is not the file that release {manifest.id} was written with: delete "
                "and build it again"
            )
    for names in ((DECODER_FILE, MODEL_FILE), ("config.json",), ("tokenizer.json",)):
        if manifest.files.keys().isdisjoint(names):
            raise ModelError(
                f"release {manifest.id} in {directory} does not list {' or '.join(names)}: "
                "it cannot be served"
            )
    return manifest


async def reproduce(directory: Path, engine: Engine, prompter: Prompter) -> None:
    """Have the engine answer the golden prompts again, and compare.

    Raises ModelError where a prompt is now laid out otherwise, a greedy continuation differs, or
    the probability of a digit is more than GOLDEN_TOLERANCE off. In another precision than fp32
    continuations are not compared, and the tolerance is OTHER_PRECISION_TOLERANCE.
    """
    manifest = read_manifest(directory)
    prompts = _golden_prompts(prompter)
    if [(golden.task, list(golden.prompt)) for golden in manifest.golden] != prompts:
        raise ModelError(
            f"release {manifest.id} was written with other prompt templates "
            f"({', '.join(manifest.templates.values())}): "
            "build it again with this version"
        )
    same = engine.precision is Precision.FP32
    tolerance = GOLDEN_TOLERANCE if same else OTHER_PRECISION_TOLERANCE
    for golden, (task, prompt) in zip(manifest.golden, prompts, strict=True):
        found = await _answer(task, prompt, engine, prompter)
        if (same and found.greedy != golden.greedy) or _distance(found, golden) > tolerance:
            raise ModelError(
                f"release {manifest.id} does not reproduce its golden vector ({golden.task}) "
                "on this machine: "
                f"expected {golden.greedy or golden.probabilities}, found "
                f"{found.greedy or found.probabilities}"
            )


def write_beside(file: Path, text: str) -> None:
    """Write a file that other processes trust: beside, flushed, renamed."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    _sync(file.parent)


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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
