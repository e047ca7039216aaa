"""GGUF files, which become checkpoints."""

import shutil
from pathlib import Path
from random import Random

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from safetensors import safe_open
from tokenizers import Tokenizer

from models.gguf.checkpoint import write_checkpoint
from models.releases.checkpoints import weight_files
from schemas.errors import ModelError
from tests.fuzz.mutation import damaged
from tests.fuzz.target import Parts

_WIDTH, _HEAD, _TOKENS = 32, 16, 300
_SHAPES = {
    "token_embd.weight": (_TOKENS, _WIDTH),
    "output_norm.weight": (_WIDTH,),
    "blk.0.attn_norm.weight": (_WIDTH,),
    "blk.0.ffn_norm.weight": (_WIDTH,),
    "blk.0.attn_q.weight": (2 * _HEAD, _WIDTH),
    "blk.0.attn_k.weight": (_HEAD, _WIDTH),
    "blk.0.attn_v.weight": (_HEAD, _WIDTH),
    "blk.0.attn_output.weight": (_WIDTH, 2 * _HEAD),
    "blk.0.ffn_gate.weight": (_WIDTH, _WIDTH),
    "blk.0.ffn_up.weight": (_WIDTH, _WIDTH),
    "blk.0.ffn_down.weight": (_WIDTH, _WIDTH),
}


def _small_model(file: Path, kind: GGMLQuantizationType, tokenizer: str) -> bytes:
    """A model of one layer with a tokenizer of a few tokens."""
    writer = GGUFWriter(file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_WIDTH)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model(tokenizer)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "a", "b", "ab"]
    writer.add_token_list(tokens)
    writer.add_token_types([2, 3, 3, *[6] * 256, 1, 1, 1])
    writer.add_token_scores([-float(id) for id in range(len(tokens))])
    writer.add_tokenizer_pre("smollm")
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{{ messages[0].content }}")
    numbers = np.random.default_rng(1)
    for name, shape in _SHAPES.items():
        tensor = numbers.normal(size=shape).astype(np.float32)
        if len(shape) == 2:
            writer.add_tensor(name, quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file.read_bytes()


class GgufFiles:
    """Files with damage, most of it in the header."""

    share = 8

    def __init__(self, directory: Path) -> None:
        self._file = directory / "model.gguf"
        self._made = directory / "made"
        self._files = [
            _small_model(self._file, kind, tokenizer)
            for kind in (GGMLQuantizationType.F16, GGMLQuantizationType.Q4_1)
            for tokenizer in ("llama", "gpt2")
        ]

    def make(self, random: Random) -> Parts:
        data = random.choice(self._files)
        if random.random() < 0.05:
            return (data,)
        if random.random() < 0.2:
            return (damaged(random, data, self._files),)
        cut = random.choice((64, 600, data.find(b"blk.0") + 800))
        return (damaged(random, data[:cut], [data[:cut]]) + data[cut:],)

    def check(self, parts: Parts) -> None:
        self._file.write_bytes(parts[0] or b"")
        try:
            write_checkpoint(self._file, self._made)
        except ModelError as error:
            said = str(error)
        else:
            self._check_checkpoint()
            return
        assert str(self._file) in said, f"does not name the file: {said}"
        assert not self._made.exists()

    def _check_checkpoint(self) -> None:
        [weights] = weight_files(self._made)
        with safe_open(weights, "numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118  (not a mapping)
                assert np.isfinite(tensors.get_tensor(name)).all()
        Tokenizer.from_file(str(self._made / "tokenizer.json")).encode("a text ab")
        shutil.rmtree(self._made)
