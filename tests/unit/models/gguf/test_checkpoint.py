"""Checkpoints from GGUF files: weights, configuration, tokenizer; the model computes the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from safetensors import safe_open

from models.engine.onnx_runner import OnnxModelRunner
from models.gguf.architecture import _llama3_factors
from models.gguf.checkpoint import write_checkpoint
from models.prompts.layout import Prompter
from models.prompts.template import Family
from models.releases.checkpoints import checkpoint_digest
from schemas.errors import ModelError
from tests.unit.checkpoints import make_checkpoint
from tests.unit.models.gguf.files import write_gguf

_ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma")
_KINDS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
_TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        name: make_checkpoint(folder / name, architecture=name, half=False)
        for name in _ARCHITECTURES
    }


def _converted(file: Path) -> Path:
    directory = file.with_suffix("")
    write_checkpoint(file, directory)
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("name", _ARCHITECTURES)
def test_the_model_computes_what_the_original_does(
    name: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from models.export.graph import build

    write_gguf(tmp_path / "tiny.gguf", checkpoints[name])
    directory = _converted(tmp_path / "tiny.gguf")
    original, converted = (
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        for path in (checkpoints[name], directory)
    )
    tokens = list(range(20, 60))
    with torch.inference_mode():
        expected, found = (model(torch.tensor([tokens])).logits for model in (original, converted))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    build(converted, directory / "decoder.onnx")
    slots = OnnxModelRunner.load(directory / "decoder.onnx", device="cpu", threads=1, slots=1)
    ours = slots.prefill_logits(0, tokens, 0)
    np.testing.assert_allclose(ours, expected[0].numpy(), rtol=1e-2, atol=5e-3)


@pytest.mark.parametrize("kind", _KINDS)
def test_weights_are_those_that_the_file_stands_for(
    kind: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    expected = write_gguf(tmp_path / "tiny.gguf", checkpoints["llama"], GGMLQuantizationType[kind])
    directory = _converted(tmp_path / "tiny.gguf")
    with safe_open(directory / "model.safetensors", "pt") as weights:
        for name, tensor in expected.items():
            found = weights.get_tensor(name)
            if kind in ("F32", "F16", "BF16"):
                assert np.array_equal(found.float().numpy(), tensor), name
            else:  # written as float16
                assert np.array_equal(found.numpy(), tensor.astype(np.float16)), name
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    names = {"F32": "float32", "BF16": "bfloat16"}
    assert config["dtype"] == names.get(kind, "float16")


def test_tokenizer_template_and_special_tokens_come_along(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", checkpoints["llama"], chat_template=_TEMPLATE)
    directory = _converted(tmp_path / "tiny.gguf")
    original, prompter = Prompter.load(checkpoints["llama"]), Prompter.load(directory)
    text = "Two words, 日本 and <|end|> in a text."
    assert prompter.tokenizer.encode(text).ids == original.tokenizer.encode(text).ids
    assert prompter.decode(prompter.tokenizer.encode(text).ids) == original.decode(
        original.tokenizer.encode(text).ids
    )
    assert len(prompter.tokenizer.encode("a   b").ids) == 4
    assert prompter.stop_ids == original.stop_ids
    assert prompter.family is original.family is Family.MARKERS
    assert (directory / "chat_template.jinja").read_text(encoding="utf-8") == _TEMPLATE


def test_the_same_file_makes_the_same_checkpoint(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    digests = set()
    for name in ("one", "other"):
        write_gguf(tmp_path / f"{name}.gguf", checkpoints["llama"])
        digests.add(checkpoint_digest(_converted(tmp_path / f"{name}.gguf")))
    assert len(digests) == 1


def test_a_failure_leaves_nothing_behind(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    broken = np.full((64,), np.nan, np.float32)
    write_gguf(
        tmp_path / "tiny.gguf", checkpoints["llama"], changed={"blk.1.ffn_norm.weight": broken}
    )
    with pytest.raises(ModelError, match=r"blk\.1\.ffn_norm\.weight has numbers that are not fin"):
        _converted(tmp_path / "tiny.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_the_scaling_of_llama_3_is_recognised(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    import torch
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    factors = _llama3_factors(16, 10_000.0, 8.0).astype(np.float32)
    write_gguf(tmp_path / "tiny.gguf", checkpoints["llama"], changed={"rope_freqs.weight": factors})
    directory = _converted(tmp_path / "tiny.gguf")
    config = LlamaConfig.from_pretrained(directory)
    assert config.rope_scaling["rope_type"] == "llama3"
    plain = 1.0 / 10_000.0 ** (torch.arange(0, 16, 2) / 16)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    torch.testing.assert_close(plain / torch.from_numpy(factors), scaled)
    write_gguf(
        tmp_path / "odd.gguf", checkpoints["llama"], changed={"rope_freqs.weight": factors * 2}
    )
    with pytest.raises(ModelError, match="scales the rotary embedding in a way"):
        _converted(tmp_path / "odd.gguf")


def test_linear_scaling_is_written_down(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", checkpoints["qwen2"], numbers={"rope.scale_linear": 4.0})
    directory = _converted(tmp_path / "tiny.gguf")
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    assert config["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"blk.0.ffn_gate_inp.weight": (8, 64)}, "has a tensor blk.0.ffn_gate_inp.weight, which"),
        ({"blk.0.attn_q.weight": (32, 64)}, r"blk.0.attn_q.weight has shape \(32, 64\), not \(64"),
        ({"token_embd.weight": (100, 64)}, "more tokens than its embedding has rows, 100"),
    ],
)
def test_a_model_of_another_shape_is_refused(
    changed: dict[str, tuple[int, ...]],
    message: str,
    checkpoints: dict[str, Path],
    tmp_path: Path,
) -> None:
    tensors = {name: np.zeros(shape, np.float32) for name, shape in changed.items()}
    write_gguf(tmp_path / "tiny.gguf", checkpoints["llama"], changed=tensors)
    with pytest.raises(ModelError, match=message):
        _converted(tmp_path / "tiny.gguf")
