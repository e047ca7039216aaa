"""Rotates what the layers of a decoder hand on, so that 8 bits with one scale a row fit it.

Some channels of a decoder's hidden state are far larger than the others, and with a scale that
covers them the others round to few numbers. A rotation by a random orthogonal matrix spreads them
over all channels. A norm without weights commutes with a rotation, so the norms' weights are
multiplied into the matrices after them, and the rotation of all that is written to the hidden state
is undone in all that is read from it. No result changes, and the graph computes nothing more
(SliceGPT, Ashkboos et al. 2024, arXiv 2401.15024; QuaRot, arXiv 2404.00456).
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.export.graph.decoder_config import DecoderConfig

_SEED = 0


def rotate(model: PreTrainedModel) -> None:
    """Rotate a model in place; its head is no longer tied to the embedding.

    Raises UnsupportedArchitecture.
    """
    offset = DecoderConfig.of(model).norm_offset
    rotation = _orthogonal(model.config.hidden_size)
    decoder, head = model.model, model.lm_head
    with torch.no_grad():
        head.weight = nn.Parameter(head.weight.clone())
        _write(decoder.embed_tokens.weight, rotation)
        for layer in decoder.layers:
            attention, feed_forward = layer.self_attn, layer.mlp
            readers = [attention.q_proj, attention.k_proj, attention.v_proj]
            _read(layer.input_layernorm, readers, rotation, offset)
            readers = [feed_forward.gate_proj, feed_forward.up_proj]
            _read(layer.post_attention_layernorm, readers, rotation, offset)
            for writer in (attention.o_proj, feed_forward.down_proj):
                _write(writer.weight.T, rotation)
                if writer.bias is not None:
                    _write(writer.bias, rotation)
        _read(decoder.norm, [head], rotation, offset)


def _orthogonal(size: int) -> Tensor:
    """[size, size]: a random orthogonal matrix, the same for every model of that size."""
    numbers = torch.randn(size, size, generator=torch.Generator().manual_seed(_SEED))
    return torch.linalg.qr(numbers.double()).Q.float()


def _write(rows: Tensor, rotation: Tensor) -> None:
    """Rotate [..., hidden] in place."""
    rows.copy_(rows @ rotation)


def _read(norm: nn.Module, readers: list[nn.Linear], rotation: Tensor, offset: float) -> None:
    """Multiply a norm's weights, and the rotation, into the matrices that read what it norms."""
    for reader in readers:
        reader.weight.copy_((reader.weight * (norm.weight + offset)) @ rotation)  # type: ignore[operator]
    norm.weight.fill_(1 - offset)  # type: ignore[operator]
