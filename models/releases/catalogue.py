"""Models by name: turns the value of ``--model`` into a release directory, exporting it once.

torch is not imported in this process.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from models.atomic_file import atomic_directory
from models.judging.gathering import fit_judges_of
from models.judging.judge import Judges
from models.judging.rated import RatedEvidence, read_rated, write_rated
from models.progress import Report
from models.prompts.layout import Prompter
from models.prompts.own.directory import PROMPTS_FILE, templates_of
from models.prompts.template import TRAINED_TASKS
from models.prompts.templates import BUILT_IN, Templates
from models.releases.cache import KnownDigests, locked
from models.releases.checkpoints import checkpoint_digest, sha256_of
from models.releases.exports import slug_of
from models.releases.golden import Origin, write_manifest
from models.releases.names import NAMED
from models.releases.release import is_release, release_id, verify
from models.releases.shipped_judges import judging_files, read_shipped_judges
from models.releases.sources import checkpoint_of
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair
from schemas.errors import ModelError

EXPORT_VERSION = 18
"""Part of every cache key. Raise it when the export or the golden vectors change, so that exports
of earlier versions are not used.
"""

_PROJECT = Path(__file__).parents[2]


def prepare(
    model: str,
    cache: Path,
    *,
    templates: Templates = BUILT_IN,
    progress: Report = lambda line: None,
) -> Path:
    """The release directory of a model.

    The model is a name of ``models.releases.names``, a checkpoint directory, a GGUF file, a release
    directory, or a Hugging Face id. A release is verified and returned unchanged, unless a user's
    own ``templates`` differ from those that it has. Anything else is exported once into ``cache``,
    with these templates, in a process of its own, and found there the next time. If two processes
    prepare the same model at once, one exports it and the other waits. Only what is to be
    downloaded and is not in a cache needs the network. Blocks: from a running event loop, call it
    in a thread. ``progress`` gets a line every few seconds of an export.

    Raises ModelError where the model does not exist, is not usable, or differs from its manifest.
    """
    given = Path(model).expanduser()
    if model not in NAMED and is_release(given):
        verified = _verified(given.resolve(), cache)
        if not _wanted(templates, verified, model, progress).own:
            return verified
    try:
        checkpoint = checkpoint_of(model, cache, progress)
        templates = _wanted(templates, checkpoint, model, progress)
        key = _key(checkpoint, templates, cache)
        release = cache / f"{slug_of(model)}-{key[:16]}"
        if is_release(release):  # without the lock: a cache that cannot be written still serves
            return _verified(release, cache)
        release.parent.mkdir(parents=True, exist_ok=True)
        with locked(cache / f".{release.name}.lock", progress):
            if not is_release(release):
                progress(f"exporting {model} to ONNX, once")
                _build(checkpoint, templates, release, slug_of(model), cache, progress)
                progress(f"exported {model} to {release}")
    except OSError as error:
        raise ModelError(
            f"{cache} cannot be written: {error.strerror or error}: set BACKSTREAM_CACHE to "
            "another directory"
        ) from error
    return _verified(release, cache)


def _wanted(templates: Templates, directory: Path, model: str, progress: Report) -> Templates:
    """A user's templates where they are for the model and not in its directory yet; else none.

    Raises ModelError where the model cannot be prompted with them.
    """
    if not templates.own:
        return BUILT_IN
    family = Prompter.load(directory, templates).family
    wanted = templates.of_family(family)
    if not wanted:
        progress(
            f"the prompts file has no effect on {model}: none of its prompts is of the {family} "
            "family"
        )
    same = {*wanted} == {*templates_of(directory).of_family(family)}
    return BUILT_IN if same else templates


def _build(
    checkpoint: Path,
    templates: Templates,
    release: Path,
    prefix: str,
    cache: Path,
    progress: Report,
) -> None:
    """Export into ``release``, which appears whole or not at all. The caller holds the lock."""
    rated, shipped = read_rated(checkpoint), read_shipped_judges(checkpoint)
    if any(template.task in TRAINED_TASKS for template in templates.own):
        rated = []  # with other prompts, other evidence
    made_from = (str(EXPORT_VERSION), *map(sha256_of, judging_files(checkpoint)))
    shutil.rmtree(release, ignore_errors=True)  # its manifest was deleted: not a release
    with atomic_directory(release) as partial:
        if templates.own:
            partial.joinpath(PROMPTS_FILE).write_text(templates.source, encoding="utf-8")
        _export(checkpoint, partial, progress)
        write_rated(partial, rated)
        if shipped and shipped.fit(_digest(checkpoint, cache), partial):
            judges: Judges | None = shipped.judges
        else:
            judges = _fitted(partial, rated, shipped is not None, progress)
        progress("writing the release's golden vectors")
        prompts = sorted(template.id for template in templates_of(partial).own)
        id = release_id(partial, prefix, (*made_from, *prompts))
        asyncio.run(write_manifest(partial, Origin(id=id, base=id, judges=judges)))


def _fitted(
    exported: Path, rated: Sequence[RatedEvidence], others: bool, progress: Report
) -> Judges | None:
    """New judges; ``others`` if the checkpoint ships some, which are for another export."""
    progress(
        "the judge that this model ships is for another export or other prompts: fitting a new one"
        if others
        else "fitting the release's judge"
    )
    training, _ = split(read_seeds())
    return asyncio.run(fit_judges_of(exported, [*map(Pair.of, training)], rated, progress))


def _export(checkpoint: Path, destination: Path, progress: Report) -> None:
    """Run ``models.export`` in a process of its own, which alone imports torch.

    Its lines of standard output are progress.
    """
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # torch's threads spin where they wait, which takes several times as long on a busy machine.
    defaults = {"OMP_WAIT_POLICY": "PASSIVE"}
    environment = {
        **defaults,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "HF_HUB_OFFLINE": "1",
    }
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "models.export", str(checkpoint), str(destination)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                progress(line.rstrip())
        except BaseException:  # Ctrl-C, or a progress that raises
            process.kill()
            raise
        status = process.wait()
        errors.seek(0)
        last = deque((line.strip() for line in errors if line.strip()), maxlen=1)
    if status:
        message = f"the export of {checkpoint} ended with status {status}"
        raise ModelError(last[0] if last else message)


def _verified(release: Path, cache: Path) -> Path:
    digests = KnownDigests.of(release, cache)
    verify(release, digests)
    digests.save()
    return release


def _key(checkpoint: Path, templates: Templates, cache: Path) -> str:
    prompts = sorted(template.id for template in templates.own)
    parts = (_digest(checkpoint, cache), *map(sha256_of, judging_files(checkpoint)), *prompts)
    return hashlib.sha256(" ".join((str(EXPORT_VERSION), *parts)).encode()).hexdigest()


def _digest(checkpoint: Path, cache: Path) -> str:
    digests = KnownDigests.of(checkpoint, cache)
    digest = checkpoint_digest(checkpoint, digests)
    digests.save()
    return digest
