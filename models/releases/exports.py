"""What the cache holds: the exports of models, found without making one."""

import re
from pathlib import Path

from models.releases.names import NAMED
from models.releases.release import MANIFEST, is_release, read_manifest


def exported(model: str, cache: Path) -> Path | None:
    """The release directory of a model where ``prepare`` has made it; None before.

    Of several exports in ``cache``, by other versions or with other prompts, the newest. Exports
    and verifies nothing.
    """
    given = Path(model).expanduser()
    if model not in NAMED and is_release(given):
        return given.resolve()
    of_model = [one for one in cached(cache) if one.name.rpartition("-")[0] == slug_of(model)]
    return of_model[-1] if of_model else None


def cached(cache: Path) -> list[Path]:
    """The release directories in a cache, oldest first."""
    return sorted(
        directories_in(cache),
        key=lambda directory: (read_manifest(directory).created_at, directory.name),
    )


def directories_in(cache: Path) -> list[Path]:
    """The same in no order, with those whose manifest cannot be read."""
    return [
        file.parent for file in cache.glob(f"*/{MANIFEST}") if not file.parent.name.startswith(".")
    ]


def slug_of(model: str) -> str:
    """A readable name for files and ids: the last part of a path or hub id, in lower case."""
    name = re.sub(
        r"[^a-z0-9]+",
        "-",
        Path(model).expanduser().resolve().name.lower() if model not in NAMED else model,
    )
    return name.strip("-")[:40] or "model"
