"""What a release is: a directory that can be served, with a manifest.

The manifest is written last, so a directory without one is unfinished. It has the SHA-256 of every
file, and golden vectors (``golden``). Nothing here imports the engine: what only reads manifests
starts sooner without it.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.evaluation.estimate import Estimate
from models.evaluation.verdict import Verdict
from models.judging.judge import Judges
from models.precision import DECODER_FILE, MODEL_FILE
from models.prompts.template import Task
from models.releases.checkpoints import has_file, sha256_of, weight_files
from models.releases.trained_on import TrainedOn
from schemas.errors import ModelError

MANIFEST = "manifest.json"
REPORT = "report.md"
"""The training report in Markdown. A model that was only exported has none."""


class GoldenVector(BaseModel):
    """A prompt and its answer: a greedy continuation, or the probabilities of '1' to '5'."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: Task
    prompt: tuple[int, ...]
    greedy: tuple[int, ...] = ()
    probabilities: tuple[float, float, float, float, float] | None = None


class Manifest(BaseModel):
    """Contents and origin of a release."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    id: str
    parent: str | None
    """Id of the release whose workers curated the training set.

    None for a model that was only exported.
    """
    base: str
    """Id of the release that training started from; its own id if it was only exported."""
    run: str = ""
    """Hash of base, parent, examples, ratings and settings; empty if it was only exported."""
    created_at: float
    """Unix time in seconds."""
    templates: dict[str, str]
    """Template name and version by task."""
    files: dict[str, str]
    """SHA-256 by file name, for every file but the manifest."""
    metrics: dict[str, float] = {}
    parent_metrics: dict[str, float] = {}
    counts: dict[str, int] = {}
    trained_on: dict[str, TrainedOn] = {}
    """By source: ``seed``, and the stages that made candidates. Empty if it was only exported."""
    intervals: dict[str, Estimate] = {}
    """Release minus parent for each held-out metric, with its 95% bootstrap interval."""
    verdict: Verdict | None = None
    """Verdict of the promotion gate; None if it was only exported."""
    calibration: tuple[float, float] | None = None
    """Slope and offset from a rating to the scale of human ratings; None if not calibrated."""
    judges: Judges | None = None
    """What turns evidence into ratings; None where digits alone rate."""
    golden: tuple[GoldenVector, ...]


def release_id(directory: Path, prefix: str, made_from: Iterable[str] = ()) -> str:
    """Return ``prefix-xxxxxxxx``, where x are hexadecimal digits of a hash.

    The hash is over the weight files and the strings of ``made_from``.
    """
    digest = hashlib.sha256()
    for part in (*(sha256_of(file) for file in weight_files(directory)), *made_from):
        digest.update(f"{part}\n".encode())
    return f"{prefix}-{digest.hexdigest()[:8]}"


def is_release(directory: Path) -> bool:
    """Return whether a directory is a finished release."""
    return (directory / MANIFEST).is_file()


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a release. Raises ModelError if it is missing or invalid."""
    file = directory / MANIFEST
    try:
        return parse_manifest(file.read_bytes(), file)
    except FileNotFoundError as error:
        raise ModelError(
            f"{directory} is not a release: it has no {MANIFEST}, so it was never finished"
        ) from error
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error


def parse_manifest(content: bytes, file: Path) -> Manifest:
    """Read the bytes of a manifest. Raises ModelError, naming ``file``, if they are not one."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise ModelError(
            f"{file} is not a manifest of this version: {where}: {first['msg']}"
        ) from error


def verify(directory: Path, digest: Callable[[Path], str] = sha256_of) -> Manifest:
    """Check every file of a release against its manifest, and return the manifest.

    Raises ModelError naming the first file that is missing or was changed.
    """
    manifest = read_manifest(directory)
    for name, sum_ in manifest.files.items():
        file = directory / name
        if not has_file(directory, name):
            raise ModelError(
                f"release {manifest.id} in {directory} lacks {name}: delete the release and build "
                "it again"
            )
        if digest(file) != sum_:
            raise ModelError(
                f"{file} was changed after release {manifest.id} was written: delete the release "
                "and build it again"
            )
    require_servable(manifest, directory)
    return manifest


def require_servable(manifest: Manifest, directory: Path) -> None:
    """Raise ModelError if a file without which a release cannot be served is not listed."""
    for names in ((DECODER_FILE, MODEL_FILE), ("config.json",), ("tokenizer.json",)):
        if manifest.files.keys().isdisjoint(names):
            raise ModelError(
                f"release {manifest.id} in {directory} does not list {' or '.join(names)}: "
                "it cannot be served"
            )
