"""Merges a LoRA adapter into a checkpoint, without torch."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from models.atomic_file import atomic_directory
from models.releases.checkpoints import (
    CHAT_TEMPLATE,
    TOKENIZER_CONFIG,
    WEIGHTS,
    read_object,
    side_files,
)
from models.releases.shipped_judges import judging_files
from schemas.errors import ModelError

_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_FACTORS = (".lora_A.weight", ".lora_B.weight")
_Array = npt.NDArray[Any]


def adapter_files(adapter: Path) -> tuple[Path, ...]:
    """The files of an adapter that a merged checkpoint follows from."""
    return (adapter / _CONFIG, adapter / _WEIGHTS, *side_files(adapter), *judging_files(adapter))


def write_merged(base: Path, adapter: Path, directory: Path) -> None:
    """Write ``base`` with ``adapter`` merged into ``directory``, which appears whole or not at all.

    ``base`` has its weights in one file. ``adapter`` is what PEFT saves (LoRA, arXiv 2106.09685):
    a weight W becomes W + scale * B A, rounded to the weight's own type. It is computed in float64,
    so that the result does not depend on the processor. Tokenizer, chat template and configuration
    in the adapter's directory replace the base's; its judges and rated pairs are copied.

    Raises ModelError where a file cannot be read, or the adapter is not one for the base, and
    OSError where the directory cannot be written.
    """
    weights, factors = _load(base / WEIGHTS), _load(adapter / _WEIGHTS)
    scale = _scale(adapter / _CONFIG)
    for name in sorted({factor.rsplit(".lora_", 1)[0] for factor in factors}):
        target = f"{name.removeprefix(_PREFIX)}.weight"
        a, b = (factors.get(name + end) for end in _FACTORS)
        weight = weights.get(target)
        if a is None or b is None or weight is None or not _fit(weight, a, b):
            raise ModelError(
                f"{adapter} is not an adapter for {base}: {name} does not fit a weight {target}"
            )
        added = scale * (b.astype(np.float64) @ a.astype(np.float64))
        weights[target] = (weight.astype(np.float64) + added).astype(weight.dtype)
        if not np.isfinite(weights[target]).all():
            raise ModelError(f"{adapter}: {name} makes weights that are not finite")
    with atomic_directory(directory) as partial:
        for file in (*side_files(base), *side_files(adapter), *judging_files(adapter)):
            shutil.copyfile(file, partial / file.name)
        if (adapter / CHAT_TEMPLATE).is_file():
            drop_chat_template(partial / TOKENIZER_CONFIG)
        save_file(weights, partial / WEIGHTS, metadata={"format": "pt"})


def drop_chat_template(config: Path) -> None:
    """Remove the chat template of a tokenizer's configuration: it would win over the file."""
    if config.is_file() and "chat_template" in (values := read_object(config)):
        del values["chat_template"]
        config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _fit(weight: _Array, a: _Array, b: _Array) -> bool:
    return a.ndim == b.ndim == 2 and weight.shape == (len(b), a.shape[1]) and len(a) == b.shape[1]


def _scale(config: Path) -> float:
    values = read_object(config)
    rank, alpha = values.get("r"), values.get("lora_alpha")
    plain = values.get("peft_type") == "LORA" and values.get("bias", "none") == "none"
    variants = ("use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern")
    if (
        not plain
        or any(values.get(name) for name in variants)
        or not isinstance(rank, int)
        or not isinstance(alpha, int | float)
        or rank < 1
    ):
        raise ModelError(f"{config} is not of a plain LoRA adapter: save it as one with PEFT")
    return alpha / rank**0.5 if values.get("use_rslora") else alpha / rank


def _load(file: Path) -> dict[str, _Array]:
    try:
        return dict(load_file(file))
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: of bfloat16
        raise ModelError(
            f"{file} cannot be read as safetensors in numpy's types: {error}"
        ) from error
