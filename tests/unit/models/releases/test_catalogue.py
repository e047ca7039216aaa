"""Models by name: what is refused, what is exported once, which digests are kept."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from models.engine import Engine
from models.prompts.layout import Prompter
from models.prompts.own.directory import PROMPTS_FILE
from models.prompts.own.reading import parse_own
from models.prompts.own.writing import as_yaml
from models.prompts.template import Family, Task, Template
from models.prompts.templates import Templates
from models.releases.cache import KnownDigests, default_cache
from models.releases.catalogue import prepare
from models.releases.checkpoints import checkpoint_digest, locate, sha256_of, weight_files
from models.releases.golden import reproduce, require_templates
from models.releases.release import MANIFEST, read_manifest, verify
from models.sampling import Sampling
from schemas.errors import ModelError
from tests.unit.checkpoints import make_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def progress() -> list[str]:
    """The lines of progress of both preparations."""
    return []


@pytest.fixture(scope="module")
def prepared(checkpoint: Path, cache: Path, progress: list[str]) -> list[Path]:
    """What two that prepare the same model at once get."""
    found: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(prepare(str(checkpoint), cache, progress=progress.append))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture(scope="module")
def release(prepared: list[Path]) -> Path:
    return prepared[0]


@pytest.mark.slow
def test_two_that_prepare_at_once_get_one_export(prepared: list[Path], cache: Path) -> None:
    assert len(prepared) == 2
    assert prepared[0] == prepared[1]
    assert read_manifest(prepared[0]).id.startswith("tiny-")
    assert [path for path in cache.iterdir() if path.is_dir() and path.name != "digests"] == [
        prepared[0]
    ]


@pytest.mark.slow
def test_progress_names_the_steps_of_the_export(
    checkpoint: Path, prepared: list[Path], progress: list[str]
) -> None:
    lines = [line for line in progress if not line.startswith("waiting for another process")]
    assert len(lines) in (len(progress), len(progress) - 1)
    assert lines[0] == f"exporting {checkpoint} to ONNX, once"
    assert lines[-1] == f"exported {checkpoint} to {prepared[0]}"
    for part in ("loading the weights", "writing the int8 graph", " is served in "):
        assert sum(part in line for line in progress) == 1


@pytest.mark.slow
async def test_an_export_is_a_release_that_reproduces_itself(release: Path) -> None:
    engine = Engine.load(release, device="cpu", threads=1)
    try:
        await reproduce(release, engine, Prompter.load(release))
    finally:
        engine.close()


@pytest.mark.slow
async def test_the_engine_writes_what_transformers_writes(checkpoint: Path, release: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    prompter = Prompter.load(checkpoint)
    prompt = prompter.backward("Rain falls when the air holds more water than it can carry.")
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    expected = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=12)[
        0, len(prompt) :
    ].tolist()
    engine = Engine.load(release, device="cpu", threads=1, precision="fp32")
    try:
        generated = await engine.generate(prompt, Sampling(max_tokens=12), prompter.stop_ids)
    finally:
        engine.close()
    written = (
        expected[: expected.index(prompter.stop_ids[0])]
        if prompter.stop_ids[0] in expected
        else expected
    )
    assert list(generated.ids) == written


@pytest.mark.slow
def test_a_second_preparation_exports_nothing(checkpoint: Path, cache: Path, release: Path) -> None:
    lines: list[str] = []
    written = (release / MANIFEST).stat().st_mtime_ns
    assert prepare(str(checkpoint), cache, progress=lines.append) == release
    assert lines == []
    assert (release / MANIFEST).stat().st_mtime_ns == written
    assert prepare(str(release), cache) == release


@pytest.mark.slow
async def test_another_golden_vector_is_refused(release: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in release.iterdir():
        (changed / file.name).symlink_to(file)
    manifest = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    rating = next(golden for golden in manifest["golden"] if golden["probabilities"])
    rating["probabilities"] = rating["probabilities"][::-1]
    (changed / MANIFEST).unlink()
    (changed / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    engine = Engine.load(changed, device="cpu", threads=1)
    try:
        with pytest.raises(ModelError, match="golden vector"):
            await reproduce(changed, engine, Prompter.load(changed))
        manifest["golden"][0]["prompt"][0] += 1
        (changed / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        with pytest.raises(ModelError, match="other prompt templates"):
            await reproduce(changed, engine, Prompter.load(changed))
    finally:
        engine.close()


@pytest.mark.slow
def test_a_tampered_export_is_refused(checkpoint: Path, release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in release.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    cache = tmp_path / "cache"
    assert prepare(str(copy), cache) == copy
    with (copy / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last[0] ^ 1]))
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        prepare(str(copy), cache)


def test_a_catalogue_never_imports_torch() -> None:
    program = (
        "import sys, models.releases.catalogue\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "config.json"),
        ("tokenizer.json", "tokenizer.json"),
        ("model.safetensors", "model.safetensors"),
    ],
)
def test_a_directory_without_a_model_is_refused(
    checkpoint: Path, tmp_path: Path, missing: str, message: str
) -> None:
    for file in checkpoint.iterdir():
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=message):
        prepare(str(tmp_path), tmp_path / "cache")


@pytest.mark.parametrize("model", ["/nowhere/at/all", "./nowhere", "a/b/c", "", "what is this?"])
def test_a_name_that_is_no_model_is_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        prepare(model, tmp_path)


@pytest.mark.slow
def test_a_hub_model_without_a_network_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.releases.catalogue import prepare\n"
        "from schemas.errors import ModelError\n"
        "try: prepare('nobody/nothing', Path(sys.argv[1]))\n"
        "except ModelError as error: print(error)"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hub"),
    }
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nobody/nothing" in ran.stdout
    assert "check the network" in ran.stdout


@pytest.mark.slow
def test_an_architecture_without_an_export_is_refused_with_its_name(
    checkpoint: Path, tmp_path: Path
) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "model_type": "dreamt_up"}), encoding="utf-8"
    )
    with pytest.raises(ModelError, match="dreamt_up"):
        prepare(str(tmp_path), tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix == ".partial"]


def test_a_sharded_checkpoint_must_be_complete(checkpoint: Path, tmp_path: Path) -> None:
    for file in checkpoint.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = "model-00001-of-00001.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": shard}}), encoding="utf-8"
    )
    with pytest.raises(ModelError, match="which is missing: the download or copy is incomplete"):
        locate(str(tmp_path))
    (tmp_path / shard).write_bytes((checkpoint / "model.safetensors").read_bytes())
    assert [file.name for file in weight_files(tmp_path)] == ["model.safetensors.index.json", shard]


def test_equal_checkpoints_have_equal_digests_in_any_directory(
    checkpoint: Path, tmp_path: Path
) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert checkpoint_digest(tmp_path) == checkpoint_digest(checkpoint)
    (tmp_path / "generation_config.json").write_text("{}", encoding="utf-8")
    assert checkpoint_digest(tmp_path) != checkpoint_digest(checkpoint)


def test_digests_are_kept_until_a_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(b"one")
    first = KnownDigests.of(tmp_path, tmp_path / "cache")
    assert first(file) == sha256_of(file)
    assert first.changed
    first.save()
    second = KnownDigests.of(tmp_path, tmp_path / "cache")
    assert second(file) == sha256_of(file)
    assert not second.changed
    file.write_bytes(b"other")
    assert second(file) == sha256_of(file)
    assert second.changed


def test_the_environment_sets_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BACKSTREAM_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == Path.home() / ".cache" / "backstream"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "backstream"
    monkeypatch.setenv("BACKSTREAM_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"


@pytest.mark.parametrize(
    "index",
    [
        {},
        {"weight_map": "a"},
        {"weight_map": {"a": 3}},
        {"weight_map": {"a": ["b"]}},
        {"weight_map": {"a": "x" * 5000}},
        {"weight_map": {"a": "../model.safetensors"}},
    ],
    ids=["none", "text", "number", "list", "long", "elsewhere"],
)
def test_an_index_that_names_no_files_is_refused(
    checkpoint: Path, tmp_path: Path, index: dict[str, object]
) -> None:
    for file in checkpoint.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    written = json.dumps(index)
    (tmp_path / "model.safetensors.index.json").write_text(written, encoding="utf-8")
    with pytest.raises(ModelError, match=r"index\.json"):
        weight_files(tmp_path)


def test_a_configuration_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        weight_files(tmp_path)


@pytest.fixture(scope="module")
def own() -> Templates:
    template = Template(
        Task.FORWARD, Family.MARKERS, 1, "Q: {instruction}\nA:", "Q: {instruction} {context}\nA:"
    )
    templates, faults = parse_own(as_yaml([template], "acme"))
    assert not faults
    return templates


@pytest.mark.slow
def test_a_release_has_the_prompts_that_it_was_exported_with(
    checkpoint: Path, release: Path, cache: Path, own: Templates, tmp_path: Path
) -> None:
    prompted = prepare(str(checkpoint), cache, templates=own)
    manifest, plain = read_manifest(prompted), read_manifest(release)
    assert (prompted, manifest.id) != (release, plain.id)
    assert manifest.templates == plain.templates | {"forward": own.own[0].id}
    assert PROMPTS_FILE in manifest.files
    assert manifest.judges != plain.judges, "a judge is fitted to its prompts"

    # It brings its prompts, wherever it is served; and is served as it is where they are wanted.
    assert prepare(str(checkpoint), cache, templates=own) == prompted
    assert prepare(str(prompted), cache) == prepare(str(prompted), cache, templates=own) == prompted
    loaded = Prompter.load(prompted)
    require_templates(manifest, loaded)
    assert loaded.template_id(Task.FORWARD) == own.own[0].id

    # A worker without the file, or with another one, refuses it.
    copy = shutil.copytree(prompted, tmp_path / "copy")
    (copy / PROMPTS_FILE).write_text(own.source.replace("Q:", "Question:"), encoding="utf-8")
    with pytest.raises(ModelError, match=f"{PROMPTS_FILE} was changed"):
        verify(copy)
    (copy / PROMPTS_FILE).unlink()
    with pytest.raises(ModelError, match=f"lacks {PROMPTS_FILE}"):
        verify(copy)
    with pytest.raises(ModelError, match=r"was made with other prompts: forward\.markers\.acme-1"):
        require_templates(manifest, Prompter.load(copy))
    with pytest.raises(ModelError, match="which the release was not made with"):
        require_templates(plain, loaded)


def test_prompts_of_another_family_have_no_effect(
    checkpoint: Path, release: Path, cache: Path
) -> None:
    chat = Template(Task.FORWARD, Family.CHAT, 1, "{instruction}", "{instruction} {context}")
    lines: list[str] = []
    templates = parse_own(as_yaml([chat], "acme"))[0]
    assert templates.own
    assert prepare(str(checkpoint), cache, templates=templates, progress=lines.append) == release
    assert lines == [
        f"the prompts file has no effect on {checkpoint}: none of its prompts is of the markers "
        "family"
    ]
