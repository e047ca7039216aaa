"""The releases directory: an announcement chooses a release in it, and nothing else."""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.prompts.template import Task
from models.releases.checkpoints import sha256_of
from models.releases.release import MANIFEST, GoldenVector, Manifest
from models.releases.signing import SIGNATURE, SigningKey, TrustedKeys
from models.releases.store import ReleaseStore
from schemas.errors import ModelError
from schemas.release import Release, ReleaseStatus

_FILES = ("model.onnx", "config.json", "tokenizer.json", "model.safetensors")


def write_release(directory: Path, id: str, base: str = "base") -> None:
    """A release whose check needs no engine."""
    directory.mkdir(parents=True)
    for name in _FILES:
        (directory / name).write_text(f"content of {name}", encoding="utf-8")
    manifest = Manifest(
        id=id,
        parent=base,
        base=base,
        created_at=1.0,
        templates={},
        files={name: sha256_of(directory / name) for name in _FILES},
        golden=(GoldenVector(task=Task.BACKWARD, prompt=(1, 2), greedy=(3,)),),
    )
    (directory / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")


def announced(id: str = "r-1", location: str = "", base: str = "base") -> Release:
    return Release(
        id=id,
        parent=base,
        base=base,
        status=ReleaseStatus.IN_SERVICE,
        location=location,
        created_at=1.0,
    )


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    made = ReleaseStore(tmp_path / "releases")
    write_release(made.path("r-1"), "r-1")
    return made


def refused(store: ReleaseStore, release: Release, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        store.verify(release)


@pytest.mark.parametrize("location", ["", "r-1", "/var/lib/backstream/releases/r-1", "old/r-1/"])
def test_a_release_is_found_by_its_id_wherever_the_trainer_wrote_it(
    store: ReleaseStore, location: str
) -> None:
    verified = store.verify(announced(location=location))
    assert verified.directory == store.directory / "r-1"
    assert verified.manifest.id == "r-1"
    verified.confirm()


@pytest.mark.parametrize("location", ["/etc", "..", "../r-2", "r-1/..", "/proc/self/fd/0"])
def test_a_location_that_is_not_the_releases_is_refused(store: ReleaseStore, location: str) -> None:
    refused(store, announced(location=location), "location")


def test_nothing_outside_of_the_directory_is_used(store: ReleaseStore, tmp_path: Path) -> None:
    write_release(tmp_path / "outside" / "r-2", "r-2")
    refused(store, announced("r-2", str(tmp_path / "outside" / "r-2")), "there is no directory")
    (store.directory / "r-2").symlink_to(tmp_path / "outside" / "r-2")
    refused(store, announced("r-2"), "is a link")
    for id in ("../outside/r-2", "..", ".", "r-1/../../outside/r-2", "a\0b", "x" * 300):
        forged = announced().model_copy(update={"id": id, "location": ""})
        with pytest.raises(ModelError):
            store.verify(forged)


def test_the_directory_itself_may_be_a_link_of_the_operator(
    store: ReleaseStore, tmp_path: Path
) -> None:
    (tmp_path / "mounted").symlink_to(store.directory)
    ReleaseStore(tmp_path / "mounted").verify(announced()).confirm()


def test_the_manifest_is_that_of_the_announced_release(store: ReleaseStore) -> None:
    shutil.copytree(store.path("r-1"), store.path("r-2"))
    refused(store, announced("r-2"), r"holds release 'r-1', not r-2")
    refused(store, announced(base="other"), "trained from base, not from other")


def _link(file: Path) -> None:
    target = file.parent.parent / "copy"
    shutil.copyfile(file, target)
    file.unlink()
    file.symlink_to(target)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _socket(file: Path) -> None:
    file.unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(file.parent, os.O_RDONLY)
        try:
            bound.bind(f"/proc/self/fd/{here}/{file.name}")
        finally:
            os.close(here)


@pytest.mark.parametrize("replace", [_link, _pipe, _directory, _socket])
@pytest.mark.parametrize("name", ["model.onnx", MANIFEST, SIGNATURE, "unlisted"])
def test_only_regular_files_are_opened(
    store: ReleaseStore, name: str, replace: Callable[[Path], None]
) -> None:
    file = store.path("r-1") / name
    file.touch()
    replace(file)
    refused(store, announced(), "not a regular file")


def test_a_device_is_not_opened(store: ReleaseStore) -> None:
    file = store.path("r-1") / "model.onnx"
    file.unlink()
    try:
        os.mknod(file, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: it has no end
    except PermissionError:
        pytest.skip("only root makes device files")
    refused(store, announced(), "not a regular file")


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "chat_template.jinja", "model.onnx.data", ".hidden", "x.py"]
)
def test_what_the_manifest_does_not_list_is_refused(store: ReleaseStore, name: str) -> None:
    (store.path("r-1") / name).write_bytes(b"x")
    refused(store, announced(), f"holds '{name}', which the manifest does not list")


def test_changed_and_missing_files_are_named(store: ReleaseStore) -> None:
    file = store.path("r-1") / "tokenizer.json"
    file.write_text("{}")
    refused(store, announced(), r"tokenizer\.json was changed")
    file.unlink()
    refused(store, announced(), r"lacks tokenizer\.json")


@pytest.mark.parametrize("name", ["../r-2/model.onnx", "/etc/hostname", "sub/file", "..", ""])
def test_a_manifest_lists_no_file_elsewhere(store: ReleaseStore, name: str) -> None:
    file = store.path("r-1") / MANIFEST
    manifest = json.loads(file.read_text())
    manifest["files"][name] = "0" * 64
    file.write_text(json.dumps(manifest))
    refused(store, announced(), "lacks")


def test_a_huge_manifest_is_not_read(store: ReleaseStore) -> None:
    with (store.path("r-1") / MANIFEST).open("ab") as file:
        file.truncate(1 << 40)
    refused(store, announced(), "is larger than")


def _write_again(directory: Path) -> None:
    file = directory / "model.onnx"
    content, status = file.read_bytes(), file.stat()
    file.write_bytes(b"other" + content[5:])
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _swap_and_swap_back(directory: Path) -> None:
    file = directory / "config.json"
    file.rename(directory / "aside")
    (directory / "config.json").write_text("evil")
    (directory / "config.json").unlink()
    (directory / "aside").rename(file)


def _add(directory: Path) -> None:
    (directory / "pytorch_model.bin").write_bytes(b"x")


def _swap_directory(directory: Path) -> None:
    directory.rename(directory.with_name("aside"))
    shutil.copytree(directory.with_name("aside"), directory)


@pytest.mark.parametrize("change", [_write_again, _swap_and_swap_back, _add, _swap_directory])
def test_a_change_between_the_check_and_the_end_of_loading_is_noticed(
    store: ReleaseStore, change: Callable[[Path], None]
) -> None:
    verified = store.verify(announced())
    verified.confirm()
    time.sleep(0.05)  # beyond the resolution of the file system's clock
    change(verified.directory)
    with pytest.raises(ModelError, match="was changed while it was loaded"):
        verified.confirm()


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.generate(tmp_path / "key.pem")


def test_only_signed_releases_are_accepted_where_keys_are_trusted(
    store: ReleaseStore, key: SigningKey, tmp_path: Path
) -> None:
    trusting = ReleaseStore(store.directory, TrustedKeys([key.public]))
    refused(trusting, announced(), "not signed")
    assert store.signer("r-1") is None
    store.sign("r-1", SigningKey.generate(tmp_path / "other.pem"))
    refused(trusting, announced(), "which releases.trusted_keys lacks")
    store.sign("r-1", key)
    assert store.signer("r-1") == key.public
    trusting.verify(announced()).confirm()
    store.verify(announced()).confirm()
    assert sorted(path.name for path in store.directory.iterdir()) == ["r-1"]


def test_the_signature_is_checked_before_anything_else_is_opened(
    store: ReleaseStore, key: SigningKey
) -> None:
    trusting = ReleaseStore(store.directory, TrustedKeys([key.public]))
    (store.path("r-1") / MANIFEST).write_bytes(b"no manifest")
    (store.path("r-1") / "model.onnx").write_bytes(b"changed")
    refused(trusting, announced(), "not signed")
    (store.path("r-1") / SIGNATURE).write_bytes(key.sign(b"another manifest"))
    refused(trusting, announced(), "not that of its manifest")


def test_a_signed_release_cannot_be_announced_as_another(
    store: ReleaseStore, key: SigningKey
) -> None:
    store.sign("r-1", key)
    shutil.copytree(store.path("r-1"), store.path("r-2"))
    refused(ReleaseStore(store.directory, TrustedKeys([key.public])), announced("r-2"), "not r-2")


def test_what_was_changed_is_not_signed(store: ReleaseStore, key: SigningKey) -> None:
    (store.path("r-1") / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"config\.json was changed"):
        store.sign("r-1", key)
    with pytest.raises(ModelError, match="no directory"):
        store.sign("r-9", key)
    assert not (store.path("r-1") / SIGNATURE).exists()
