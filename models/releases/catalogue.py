"""Models by name: turns the value of ``--model`` into a release directory, exporting it once.

torch is not imported in this process.
"""

import asyncio
import hashlib
import os
import re
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
from models.releases.cache import KnownDigests, locked
from models.releases.checkpoints import checkpoint_digest, sha256_of
from models.releases.names import NAMED
from models.releases.release import (
    MANIFEST,
    Origin,
    is_release,
    read_manifest,
    release_id,
    verify,
    write_manifest,
)
from models.releases.shipped_judges import judging_files, read_shipped_judges
from models.releases.sources import checkpoint_of
from models.seeds import read_seeds, split
from models.seeds.pairs import Pair
from schemas.errors import ModelError

EXPORT_VERSION = 16
"""Part of every cache key. Raise it when the export or the golden vectors change, so that exports
of earlier versions are not used.
"""

_PROJECT = Path(__file__).parents[2]


def prepare(model: str, cache: Path, *, progress: Report = lambda line: None) -> Path:
    """The release directory of a model.

    The model is a name of ``models.releases.names``, a checkpoint directory, a GGUF file, a release
    directory, or a Hugging Face id. A release is verified and returned unchanged. Anything else is
    exported once into ``cache``, in a process of its own, and found there the next time. If two
    processes prepare the same model at once, one exports it and the other waits. Only what is to
    be downloaded and is not in a cache needs the network. Blocks: from a running event loop, call
    it in a thread. ``progress`` gets a line every few seconds of an export.

    Raises ModelError where the model does not exist, is not usable, or differs from its manifest.
    """
    given = Path(model).expanduser()
    if model not in NAMED and is_release(given):
        return _verified(given.resolve(), cache)
    try:
        checkpoint = checkpoint_of(model, cache, progress)
        key = _key(checkpoint, cache)
        release = cache / f"{_slug(model)}-{key[:16]}"
        if is_release(release):  # without the lock: a cache that cannot be written still serves
            return _verified(release, cache)
        release.parent.mkdir(parents=True, exist_ok=True)
        with locked(cache / f".{release.name}.lock", progress):
            if not is_release(release):
                progress(f"exporting {model} to ONNX, once")
                _build(checkpoint, release, _slug(model), cache, progress)
                progress(f"exported {model} to {release}")
    except OSError as error:
        raise ModelError(
            f"{cache} cannot be written: {error.strerror or error}: set BACKSTREAM_CACHE to "
            "another directory"
        ) from error
    return _verified(release, cache)


def cached(cache: Path) -> list[Path]:
    """The release directories in a cache, oldest first."""
    found = [
        file.parent for file in cache.glob(f"*/{MANIFEST}") if not file.parent.name.startswith(".")
    ]
    return sorted(
        found, key=lambda directory: (read_manifest(directory).created_at, directory.name)
    )


def _build(checkpoint: Path, release: Path, prefix: str, cache: Path, progress: Report) -> None:
    """Export into ``release``, which appears whole or not at all. The caller holds the lock."""
    rated, shipped = read_rated(checkpoint), read_shipped_judges(checkpoint)
    made_from = (str(EXPORT_VERSION), *map(sha256_of, judging_files(checkpoint)))
    shutil.rmtree(release, ignore_errors=True)  # its manifest was deleted: not a release
    with atomic_directory(release) as partial:
        _export(checkpoint, partial, progress)
        write_rated(partial, rated)
        if shipped and shipped.fit(_digest(checkpoint, cache), partial):
            judges: Judges | None = shipped.judges
        else:
            judges = _fitted(partial, rated, shipped is not None, progress)
        progress("writing the release's golden vectors")
        id = release_id(partial, prefix, made_from)
        asyncio.run(write_manifest(partial, Origin(id=id, base=id, judges=judges)))


def _fitted(
    exported: Path, rated: Sequence[RatedEvidence], others: bool, progress: Report
) -> Judges | None:
    """New judges; ``others`` if the checkpoint ships some, which are for another export."""
    progress(
        "the judge that this model ships is for another export: fitting a new one"
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


def _key(checkpoint: Path, cache: Path) -> str:
    parts = (_digest(checkpoint, cache), *map(sha256_of, judging_files(checkpoint)))
    return hashlib.sha256(" ".join((str(EXPORT_VERSION), *parts)).encode()).hexdigest()


def _digest(checkpoint: Path, cache: Path) -> str:
    digests = KnownDigests.of(checkpoint, cache)
    digest = checkpoint_digest(checkpoint, digests)
    digests.save()
    return digest


def _slug(model: str) -> str:
    """A readable name for files and ids: the last part of a path or hub id, in lower case."""
    name = re.sub(
        r"[^a-z0-9]+",
        "-",
        Path(model).expanduser().resolve().name.lower() if model not in NAMED else model,
    )
    return name.strip("-")[:40] or "model"
