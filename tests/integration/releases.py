"""A second release to change to: the house model's own weights, under another id, so that nothing needs training."""

import shutil
from pathlib import Path

from models.release import MANIFEST, read_manifest, write_beside
from schemas.records import Release, ReleaseStatus


def copy_release(source: Path, directory: Path, id: str) -> Release:
    """A whole release trained from ``source``, to be announced."""
    shutil.copytree(source, directory)
    manifest = read_manifest(source)
    write_beside(directory / MANIFEST, manifest.model_copy(update={"id": id, "parent": manifest.id}).model_dump_json())
    return Release(
        id=id,
        parent=manifest.id,
        base=manifest.id,
        status=ReleaseStatus.IN_SERVICE,
        location=str(directory),
        created_at=1.0,
    )
