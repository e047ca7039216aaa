"""The shipped adapter: its size, the model that it fits, its chat template, and what it changes."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.judging.rated import RATED_FILE
from models.prompts.layout import Prompter
from models.releases.adapters import adapter_files, write_merged
from models.releases.cache import default_cache
from models.releases.checkpoints import CHAT_TEMPLATE
from models.releases.names import NAMED, WRITER_ADAPTER
from models.releases.shipped_judges import JUDGES_FILE
from models.writer.run import CONFIG, WEIGHTS

_LAYERS, _WIDTH, _INNER, _KEYS = 30, 576, 1536, 192
"""SmolLM2-135M-Instruct: layers, hidden state, feed-forward, and keys of all heads."""
_SHAPES = {
    "self_attn.q_proj": (_WIDTH, _WIDTH),
    "self_attn.k_proj": (_KEYS, _WIDTH),
    "self_attn.v_proj": (_KEYS, _WIDTH),
    "self_attn.o_proj": (_WIDTH, _WIDTH),
    "mlp.gate_proj": (_INNER, _WIDTH),
    "mlp.up_proj": (_INNER, _WIDTH),
    "mlp.down_proj": (_WIDTH, _INNER),
}
_MOST_BYTES = 12_000_000


def test_the_name_has_the_adapter_and_its_base() -> None:
    assert NAMED["writer"].adapter == WRITER_ADAPTER
    assert NAMED["writer"].source == NAMED["smollm2"].source
    names = {file.name for file in adapter_files(WRITER_ADAPTER)}
    assert names == {CONFIG, WEIGHTS, CHAT_TEMPLATE, JUDGES_FILE, RATED_FILE}


def test_it_is_small_and_fits_every_weight_of_its_base() -> None:
    file = WRITER_ADAPTER / WEIGHTS
    assert file.stat().st_size <= _MOST_BYTES
    config = json.loads((WRITER_ADAPTER / CONFIG).read_text(encoding="utf-8"))
    assert {name.split(".")[1] for name in _SHAPES} == set(config["target_modules"])
    rank, factors = config["r"], load_file(file)
    for layer in range(_LAYERS):
        for module, (outputs, inputs) in _SHAPES.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            assert factors.pop(f"{name}.lora_A.weight").shape == (rank, inputs)
            b = factors.pop(f"{name}.lora_B.weight")
            assert b.shape == (outputs, rank)
            assert b.dtype == np.float16
            assert np.isfinite(b).all()
            assert b.any(), f"{name} is untrained"
    assert not factors


def test_it_changes_its_base(tmp_path) -> None:
    """On the real base, where an earlier command has converted it."""
    found = sorted((default_cache() / "checkpoints").glob("SmolLM2-135M-Instruct.Q4_1-*"))
    if not found:
        pytest.skip("smollm2 is not in the cache: `backstream models add smollm2`")
    write_merged(found[-1], WRITER_ADAPTER, tmp_path / "writer")
    base, merged = (
        load_file(each / "model.safetensors") for each in (found[-1], tmp_path / "writer")
    )
    changed = {name for name in base if not np.array_equal(base[name], merged[name])}
    assert len(changed) == _LAYERS * len(_SHAPES)
    prompter = Prompter.load(tmp_path / "writer")
    assert prompter.chat is not None
    assert prompter.chat.source == (WRITER_ADAPTER / CHAT_TEMPLATE).read_text(encoding="utf-8")
    assert prompter.rated == (), "it was trained without rated examples in the prompt"
