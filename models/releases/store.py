"""The directory of this process in which announced releases are found.

An announcement names a release; it does not choose a path. The release is the directory of that
name here, and is used only if all of this holds:

1. The manifest is signed with a trusted key, where keys are set. Nothing else is opened before.
2. The manifest is that of the announced release and base.
3. The directory holds the files that the manifest lists, and nothing else.
4. They are regular files with the listed SHA-256.

The loaders open the files again, by name. ``VerifiedRelease.confirm`` therefore compares the stamps
of all files with those from before they were hashed, once the model is loaded and before it serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.atomic_file import atomic_file
from models.releases.confined_files import ConfinedDirectory, Stamp
from models.releases.release import MANIFEST, Manifest, parse_manifest, require_servable
from models.releases.signing import (
    LARGEST_SIGNATURE,
    SIGNATURE,
    SigningKey,
    TrustedKeys,
    signer_of,
)
from schemas.errors import ModelError
from schemas.release import Release

_LARGEST_MANIFEST = 16 << 20


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """A release whose files are those of its manifest."""

    directory: Path
    manifest: Manifest
    _root: Path
    _itself: Stamp
    _stamps: Mapping[str, Stamp]

    def confirm(self) -> None:
        """Raise ModelError if anything in the directory was written since it was verified."""
        with ConfinedDirectory(self._root, self.directory.name) as directory:
            names = directory.names()
            if directory.stamp() != self._itself or names != self._stamps.keys():
                raise ModelError(f"{self.directory} was changed while it was loaded")
            for name, stamp in self._stamps.items():
                if directory.stamp_of(name) != stamp:
                    raise ModelError(f"{self.directory / name} was changed while it was loaded")


class ReleaseStore:
    """The releases directory, and the keys whose releases are accepted from it."""

    def __init__(self, directory: Path, trusted: TrustedKeys | None = None) -> None:
        self.directory = directory
        self.trusted = trusted if trusted is not None else TrustedKeys()

    def path(self, id: str) -> Path:
        """Where the release of an id is, if it is there."""
        return self.directory / id

    def verify(self, release: Release) -> VerifiedRelease:
        """Check an announced release. Raises ModelError, which names what is wrong.

        An announcement of the previous version holds an absolute path. Only its last part counts,
        which was always the id.
        """
        if PurePosixPath(release.location).name not in ("", release.id):
            raise ModelError(
                f"the announcement's location {release.location!r} is not that of {release.id}"
            )
        verified = self._verify(release.id, self.trusted)
        if verified.manifest.base != release.base:
            raise ModelError(
                f"{verified.directory} was trained from {verified.manifest.base}, not from "
                f"{release.base} as announced"
            )
        return verified

    def sign(self, id: str, key: SigningKey) -> None:
        """Check the files of a release against its manifest, and sign that.

        Replaces an earlier signature. Raises ModelError, OSError.
        """
        verified = self._verify(id, TrustedKeys())
        with self._open(id) as directory:
            manifest = directory.read(MANIFEST, _LARGEST_MANIFEST)
        verified.confirm()
        # Written beside the release, because a release with an unlisted file is refused.
        with atomic_file(self.path(id) / SIGNATURE, via=self.directory) as file:
            file.write(key.sign(manifest))

    def signer(self, id: str) -> str | None:
        """The public key with which a release is signed; None for no signature.

        Raises ModelError where there is no such release or its signature is wrong.
        """
        with self._open(id) as directory:
            signature = _signature(directory)
            if signature is None:
                return None
            return signer_of(directory.read(MANIFEST, _LARGEST_MANIFEST), signature)

    def _open(self, id: str) -> ConfinedDirectory:
        return ConfinedDirectory(self.directory, id)

    def _verify(self, id: str, trusted: TrustedKeys) -> VerifiedRelease:
        with self._open(id) as directory:
            itself, names = directory.stamp(), directory.names()
            if MANIFEST not in names:
                raise ModelError(f"{directory.path} has no {MANIFEST}: it was never finished")
            stamps = {name: directory.stamp_of(name) for name in sorted(names)}
            content = directory.read(MANIFEST, _LARGEST_MANIFEST)
            trusted.require(content, _signature(directory))
            manifest = parse_manifest(content, directory.path / MANIFEST)
            if manifest.id != id:
                raise ModelError(f"{directory.path} holds release {manifest.id!r}, not {id}")
            self._check_files(directory, names, manifest)
            for name, sum_ in manifest.files.items():
                found, stamps[name] = directory.sha256(name)
                if found != sum_:
                    raise ModelError(
                        f"{directory.path / name} was changed after release {id} was written: "
                        "delete the release and build it again"
                    )
            require_servable(manifest, directory.path)
        return VerifiedRelease(directory.path, manifest, self.directory, itself, stamps)

    def _check_files(
        self, directory: ConfinedDirectory, names: set[str], manifest: Manifest
    ) -> None:
        listed = manifest.files.keys()
        if missing := sorted(listed - names):
            raise ModelError(f"release {manifest.id} in {directory.path} lacks {missing[0]}")
        if unlisted := sorted(names - listed - {MANIFEST, SIGNATURE}):
            raise ModelError(
                f"{directory.path} holds {unlisted[0]!r}, which the manifest does not list: "
                "remove it"
            )


def _signature(directory: ConfinedDirectory) -> bytes | None:
    if SIGNATURE not in directory.names():
        return None
    return directory.read(SIGNATURE, LARGEST_SIGNATURE)
