"""Release directories: hashes of the files, manifest, ids."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.prompts.template import Task
from models.releases.checkpoints import sha256_of
from models.releases.release import (
    MANIFEST,
    GoldenVector,
    Manifest,
    is_release,
    read_manifest,
    release_id,
    verify,
)
from schemas.errors import ModelError
from tests.unit.checkpoints import make_tokenizer


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release directory whose check needs no engine."""
    directory = tmp_path / "release"
    directory.mkdir()
    for name in ("model.onnx", "config.json", "tokenizer.json", "model.safetensors"):
        (directory / name).write_text(f"content of {name}", encoding="utf-8")
    manifest = Manifest(
        id="r-00000000",
        parent="house-00000000",
        base="house-00000000",
        created_at=1.0,
        templates={"backward": "backward.markers.1"},
        files={file.name: sha256_of(file) for file in directory.iterdir()},
        golden=(GoldenVector(task=Task.BACKWARD, prompt=(1, 2), greedy=(3,)),),
    )
    (directory / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return directory


def test_unchanged_release_verifies(release: Path) -> None:
    assert verify(release).id == "r-00000000"
    assert verify(release) == read_manifest(release)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "model.safetensors"])
def test_error_names_the_changed_file(release: Path, name: str) -> None:
    data = bytearray((release / name).read_bytes())
    data[-1] ^= 1
    (release / name).write_bytes(data)
    with pytest.raises(ModelError, match=name):
        verify(release)


def test_error_names_the_missing_file(release: Path) -> None:
    (release / "config.json").unlink()
    with pytest.raises(ModelError, match=r"lacks config\.json"):
        verify(release)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest["files"].update({"../outside": "0" * 64}), "outside"),
        (lambda manifest: manifest["files"].pop("model.onnx"), "model.onnx"),
        (lambda manifest: manifest.pop("base"), "base"),
        (lambda manifest: manifest.update(golden=[{"task": "poetry", "prompt": []}]), "golden"),
    ],
)
def test_manifest_with_wrong_content_is_refused(
    release: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    manifest = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (release / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        verify(release)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_invalid_manifest_is_refused(release: Path, data: bytes) -> None:
    (release / MANIFEST).write_bytes(data)
    with pytest.raises(ModelError, match="manifest"):
        read_manifest(release)


def test_directory_without_manifest_is_not_a_release(release: Path) -> None:
    (release / MANIFEST).unlink()
    assert not is_release(release)
    with pytest.raises(ModelError, match="never finished"):
        verify(release)


def test_unknown_manifest_fields_are_ignored(release: Path) -> None:
    manifest = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    (release / MANIFEST).write_text(json.dumps({**manifest, "colour": "green"}), encoding="utf-8")
    assert verify(release).id == "r-00000000"


def test_id_is_a_hash_of_weights_and_inputs(tmp_path: Path) -> None:
    for name, weights in (("one", b"a"), ("again", b"a"), ("other", b"b")):
        make_tokenizer(tmp_path / name)
        (tmp_path / name / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
        (tmp_path / name / "model.safetensors").write_bytes(weights)
    one, again, other = (tmp_path / name for name in ("one", "again", "other"))
    assert release_id(one, "r", ("x",)) == release_id(again, "r", ("x",))
    ids = {
        release_id(one, "r", ("x",)),
        release_id(one, "r", ("y",)),
        release_id(other, "r", ("x",)),
    }
    assert len(ids) == 3
    assert all(id.startswith("r-") and len(id) == 10 for id in ids)
