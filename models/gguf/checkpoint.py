"""Writes a GGUF file as a transformers checkpoint: weights, configuration, tokenizer, template."""

import json
from pathlib import Path
from typing import Any

from models.atomic_file import atomic_directory
from models.gguf.architecture import architecture_of, configuration, sizes_of
from models.gguf.file import GgufFile
from models.gguf.metadata import Metadata
from models.gguf.safetensors_file import write_safetensors
from models.gguf.tensors import rope_factors, weights_of
from models.gguf.tokenizer import Vocabulary, read_vocabulary
from schemas.errors import ModelError

_TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def write_checkpoint(path: Path, directory: Path) -> None:
    """Write the GGUF file at ``path`` into ``directory``, which appears whole or not at all.

    Weights are read, converted and written a slice at a time. Those that the file has in F32, F16
    or BF16 stay so; quantized ones become F16. Raises ModelError where the file is damaged or of a
    kind that is not supported, and OSError where the directory cannot be written.
    """
    with atomic_directory(directory) as partial:
        _write(GgufFile.read(path), partial)


def _write(file: GgufFile, directory: Path) -> None:
    metadata = Metadata(file.path, file.metadata)
    architecture = architecture_of(file)
    sizes = sizes_of(file)
    weights = weights_of(file, architecture, sizes)
    vocabulary = _vocabulary(metadata)
    if vocabulary.tokenizer.get_vocab_size() > sizes.vocabulary:
        raise ModelError(
            f"{file.path} has more tokens than its embedding has rows, {sizes.vocabulary:,}: it "
            "is damaged"
        )
    config = configuration(file, architecture, sizes, rope_factors(file, sizes))
    dtype = next(_TORCH_NAMES[weight.dtype] for weight in weights)  # of the embedding
    _dump(directory / "config.json", {**config, "dtype": dtype, **_special_ids(vocabulary)})
    _dump(directory / "generation_config.json", _special_ids(vocabulary))
    vocabulary.tokenizer.save(str(directory / "tokenizer.json"))
    _dump(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": sizes.context,
            "clean_up_tokenization_spaces": False,
            **vocabulary.specials,
        },
    )
    template = metadata.text("tokenizer.chat_template", "")
    if template:
        (directory / "chat_template.jinja").write_text(template, encoding="utf-8")
    write_safetensors(file, weights, directory / "model.safetensors")


def _vocabulary(metadata: Metadata) -> Vocabulary:
    try:
        return read_vocabulary(metadata)
    except ModelError:
        raise
    except Exception as error:  # the library raises a bare Exception for what it does not take
        raise ModelError(
            f"{metadata.path} has a tokenizer that cannot be built ({error}): give the model as a "
            "transformers checkpoint"
        ) from error


def _special_ids(vocabulary: Vocabulary) -> dict[str, Any]:
    return {**vocabulary.ids, "eos_token_id": vocabulary.end_ids}


def _dump(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
