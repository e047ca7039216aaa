"""Runs one training, from the examples to a release directory."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from models.evaluation.calibration import Calibration, calibrate
from models.evaluation.human_ratings import RatedPair, rated_pairs, read_ratings
from models.evaluation.measure import measure
from models.evaluation.metrics import Array, HumanAgreement, Measurements
from models.evaluation.promotion import ReleaseComparison, compare_releases
from models.export.export import export
from models.judging.gathering import fit_judges
from models.judging.judge import Judges
from models.judging.measuring import Opened, opened, rate_pairs
from models.judging.rated import RatedEvidence, examine_rated, read_rated, write_rated
from models.progress import Report
from models.prompts.layout import Prompter
from models.releases.checkpoints import side_files
from models.releases.golden import Origin, write_manifest
from models.releases.release import Manifest, is_release, read_manifest, release_id, verify
from models.seeds.labelled import LABELS, labelled
from models.seeds.pairs import Pair
from models.training.data import TrainingSet, divide, read_examples, sequences
from models.training.lora import adapt, merged
from models.training.report import TrainingReport
from models.training.settings import TrainingSettings
from models.training.tuning import fit
from schemas.errors import ModelError, TrainingError
from schemas.record import Record

Emit = Callable[[dict[str, Any]], None]
"""Writes one event, as described in ``models.training.__main__``."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a run.

    ``base`` and ``parent`` are release directories, which may be the same.
    """

    base: Path
    parent: Path
    examples: Path
    releases: Path
    """Directory of the release directory, and of the run's checkpoints until it is finished."""
    ratings: Path | None = None
    """Human ratings as JSON lines."""


def train(
    inputs: Inputs,
    settings: TrainingSettings,
    emit: Emit,
    rank: int = 0,
    *,
    cpu_bf16: bool = False,
) -> Path | None:
    """Train, measure, export and write a release; return its directory, ``releases/<release id>``.

    Of several processes, numbered by ``rank``, all train. The first one does the rest, and the
    others return None. ``cpu_bf16`` is for products on a CPU, as in ``tuning.fit``.

    A killed run continues from its last checkpoint when it is started again with the same inputs.
    A run that has its release already returns it. Raises TrainingError or ModelError.
    """
    base, parent = verify(inputs.base), verify(inputs.parent)
    examples = read_examples(inputs.examples)
    ratings = read_ratings(inputs.ratings) if inputs.ratings else []
    run = _run_id(base, parent, (*examples, *ratings), settings)
    inputs.releases.mkdir(parents=True, exist_ok=True)
    for done in sorted(inputs.releases.iterdir()):
        if is_release(done) and read_manifest(done).run == run:
            verify(done)
            _emit_released(done, emit)
            return done
    data = divide(examples, settings.held_out_share, rated_pairs(ratings))
    work = inputs.releases / f"{run[:16]}.training"
    model, counts = _fit(inputs, settings, data, work, emit, cpu_bf16)
    if rank:
        return None
    checkpoint = _save(model, inputs.base, work / "checkpoint")
    del model  # frees memory for the two models that are measured
    exported = checkpoint.with_name("release")
    shutil.rmtree(exported, ignore_errors=True)
    export(str(checkpoint), exported, report=partial(_emit_working, emit))
    found = _measure(inputs, settings, data, checkpoint, exported, emit)
    release = _write(
        inputs.releases, exported, _Lineage(base.id, parent.id, run), found, settings, counts, data
    )
    shutil.rmtree(work, ignore_errors=True)
    _emit_released(release, emit)
    return release


@dataclass(frozen=True, slots=True)
class _Lineage:
    base: str
    parent: str
    run: str


@dataclass(frozen=True, slots=True)
class _Served:
    """What a release gives as it is served."""

    judges: Judges | None
    threshold: float
    """Lowest rating of it that is kept."""
    labelled: Array
    """[N, L]: ratings of the labelled pairs made from N held-out pairs."""
    agreement: HumanAgreement
    """Its ratings of the held-out pairs that have human ratings."""
    agreement_trained: HumanAgreement
    """Those of the other pairs that have human ratings."""
    rated: tuple[RatedEvidence, ...] = ()
    """What its judges may learn from of human ratings."""


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """Measurements of the release and of its parent."""

    new: Measurements
    old: Measurements
    thresholds: tuple[float, float]
    """Lowest ratings that are kept, of the release and of its parent."""
    comparison: ReleaseComparison
    calibration: Calibration | None
    judges: Judges | None
    rated: tuple[RatedEvidence, ...]


def _fit(
    inputs: Inputs,
    settings: TrainingSettings,
    data: TrainingSet,
    work: Path,
    emit: Emit,
    cpu_bf16: bool,
) -> tuple[PreTrainedModel, dict[str, int]]:
    """Fine-tune the base; return the model and the counts of the manifest."""
    model = _load(inputs.base)
    context = int(getattr(model.config, "max_position_embeddings", None) or settings.longest)
    chosen = sequences(data, Prompter.load(inputs.base), settings, context)
    counts = {
        "examples": len(data.augmented),
        "seeds": len(data.seeds),
        "leaked": data.leaked,
        "ratings": len(data.rated),
    }
    emit({"event": "started", **counts, "sequences": len(chosen)})

    examples = len(data.mixed(settings.mix).examples)
    lora = settings.rank_for(model.num_parameters())
    tuned = adapt(model, lora, settings.seed) if lora else model
    steps = fit(
        tuned,
        inputs.base,
        chosen,
        examples,
        settings,
        work / "checkpoints",
        lambda now: emit(now.event()),
        cpu_bf16=cpu_bf16,
    )
    counts |= {"held_out": len(data.held_out), "ratings_held_out": len(data.rated_held_out)}
    return merged(tuned), {
        **counts,
        "ratings_leaked": data.rated_leaked,
        "steps": steps,
        "lora_rank": lora,
    }


def _measure(
    inputs: Inputs,
    settings: TrainingSettings,
    data: TrainingSet,
    checkpoint: Path,
    exported: Path,
    emit: Emit,
) -> _Evaluation:
    """Measure the parent and the new model on the same held-out pairs, rated as they are served.

    Also fits the judges of the new release, and calibrates its ratings to human ratings.
    """
    # First, so that only one model is in memory.
    report = partial(_emit_working, emit)
    parent = asyncio.run(_serve(inputs.parent, settings, data, report))
    served = asyncio.run(_serve(exported, settings, data, report, inputs.base))
    held_out = [Pair.of(example) for example in data.held_out[: settings.measured]]

    def measured(directory: Path, which: str, served: _Served) -> Measurements:
        model, prompter = _load(directory), Prompter.load(directory)
        found = measure(model, prompter, held_out, served.labelled, report)
        emit({"event": "evaluated", "model": which, "metrics": found.metrics(served.threshold)})
        return found

    old = measured(inputs.parent, "parent", parent)
    # The saved weights are measured, because they are rounded and will be served.
    new = measured(checkpoint, "new", served)
    comparison = compare_releases(
        new, old, (served.threshold, parent.threshold), (served.agreement, parent.agreement)
    )
    # Judges that have learned from the ratings are on their scale already.
    learned = settings.criterion.judge_of(served.judges) is not None and served.judges
    calibration = (
        None
        if learned and learned.rated_pairs
        else calibrate(served.agreement_trained, served.agreement)
    )
    thresholds = served.threshold, parent.threshold
    return _Evaluation(new, old, thresholds, comparison, calibration, served.judges, served.rated)


async def _serve(
    directory: Path,
    settings: TrainingSettings,
    data: TrainingSet,
    report: Report,
    base: Path | None = None,
) -> _Served:
    """Rate with a release's directory as the scorer does.

    A new one is trained from ``base`` and needs no manifest. Its judges are fitted, and pairs that
    were trained on are rated.
    """
    held_out = [Pair.of(example) for example in data.held_out[: settings.measured]]
    made = [graded.pair for graded_pairs in labelled(held_out) for graded in graded_pairs]
    trained = data.rated if base else ()
    rated = [*data.rated_held_out, *trained]
    learned: list[RatedEvidence] = []
    async with opened(directory) as release:
        if base:
            seeds = [Pair.of(seed) for seed in data.seeds]
            learned = await _rated(release, data, base, report)
            judges = await fit_judges(release, seeds, learned, report)
        else:
            judges = read_manifest(directory).judges
        ratings = await rate_pairs(
            release,
            judges,
            [*made, *(each.pair for each in rated)],
            settings.evidence,
            report,
            [*[()] * len(made), *(each.headings for each in rated)],
        )
    end = len(made) + len(data.rated_held_out)
    return _Served(
        judges,
        settings.criterion.threshold_of(judges),
        ratings[: len(made)].reshape(-1, len(LABELS)),
        HumanAgreement(_scores(data.rated_held_out), ratings[len(made) : end]),
        HumanAgreement(_scores(trained), ratings[end:]),
        tuple(learned),
    )


async def _rated(
    release: Opened, data: TrainingSet, base: Path, report: Report
) -> list[RatedEvidence]:
    """The rated pairs that are not held out: those of this run, and others that the base has.

    The evidence about the latter is that of the model that was served when they were rated.
    """
    own = await examine_rated(release, data.rated, report)
    known = {each.id for each in (*data.rated, *data.rated_held_out)}
    return [*own, *(each for each in read_rated(base) if each.id not in known)]


def _scores(rated: Sequence[RatedPair]) -> Array:
    return np.array([each.score for each in rated], np.float64)


def _write(
    releases: Path,
    exported: Path,
    lineage: _Lineage,
    found: _Evaluation,
    settings: TrainingSettings,
    counts: dict[str, int],
    data: TrainingSet,
) -> Path:
    """Write the exported model as a release with its report."""
    comparison, calibration = found.comparison, found.calibration
    trained_on = data.mixed(settings.mix).sources
    origin = Origin(
        id=release_id(exported, "r", (lineage.run,)),
        base=lineage.base,
        parent=lineage.parent,
        run=lineage.run,
        metrics=comparison.metrics,
        parent_metrics=comparison.parent_metrics,
        counts=counts,
        trained_on=trained_on,
        intervals=comparison.changes,
        verdict=comparison.verdict,
        calibration=calibration.line if calibration and calibration.helps else None,
        judges=found.judges,
    )
    report = TrainingReport(
        origin.id,
        lineage.base,
        lineage.parent,
        settings.criterion,
        found.thresholds,
        comparison,
        found.new,
        found.old,
        calibration,
        counts,
        found.judges,
        trained_on,
    )
    report.write(exported)
    write_rated(exported, found.rated)
    asyncio.run(write_manifest(exported, origin))
    release = releases / origin.id
    if not is_release(release):
        shutil.rmtree(release, ignore_errors=True)  # without a manifest it was never finished
        exported.rename(release)
    return release


def _load(directory: Path) -> PreTrainedModel:
    """Load a model in fp32: bf16 weights would round off small updates."""
    try:
        model = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=torch.float32,
            local_files_only=True,
            # Never code or pickled weights, whatever a release holds.
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{directory} cannot be loaded for training: {error}") from error
    return model.to(device="cuda") if torch.cuda.is_available() else model


def _save(model: PreTrainedModel, base: Path, directory: Path) -> Path:
    """Save a checkpoint in the base's precision, with the base's configuration and tokenizer."""
    dtype = AutoConfig.from_pretrained(base, local_files_only=True).dtype or torch.float32
    if not all(bool(torch.isfinite(parameter.to(dtype)).all()) for parameter in model.parameters()):
        raise TrainingError(
            f"the trained weights are not all finite as {dtype}: lower the learning rate"
        )
    shutil.rmtree(directory, ignore_errors=True)
    model.to(dtype=dtype).save_pretrained(directory)
    for file in side_files(base):
        shutil.copyfile(file, directory / file.name)
    return directory


def _run_id(
    base: Manifest, parent: Manifest, records: Iterable[Record], settings: TrainingSettings
) -> str:
    """Return a hash of everything that determines what a run trains and measures."""
    digest = hashlib.sha256(f"{base.id} {parent.id} {settings.digest()}\n".encode())
    for line in sorted({record.model_dump_json() for record in records}):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _emit_working(emit: Emit, line: str) -> None:
    emit({"event": "working", "text": line})


def _emit_released(directory: Path, emit: Emit) -> None:
    manifest = read_manifest(directory)
    emit(
        {
            "event": "released",
            "id": manifest.id,
            "directory": str(directory),
            "metrics": manifest.metrics,
            "parent_metrics": manifest.parent_metrics,
            "counts": manifest.counts,
            "intervals": manifest.intervals,
            "verdict": asdict(manifest.verdict) if manifest.verdict else None,
        }
    )
