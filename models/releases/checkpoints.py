"""Finds the files of a checkpoint: the house model, a directory, or a model of the Hugging Face
hub. No torch.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.errors import ModelError

HOUSE = "house"
"""The name of the bundled model."""
HOUSE_CHECKPOINT = Path(__file__).parents[1] / "house" / "checkpoint"

WEIGHTS = "model.safetensors"
_WEIGHTS_INDEX = "model.safetensors.index.json"
_SIDE_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
_WANTED = (*_SIDE_FILES, WEIGHTS, _WEIGHTS_INDEX, "model-*-of-*.safetensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_BLOCK = 1 << 20


def locate(model: str) -> Path:
    """The directory of a checkpoint: ``house``, a directory, or a hub id, which is downloaded
    unless it is cached.

    Raises ModelError where there is no such directory, the hub has no such model or does not let us
    have it, the network is down, or what was found is not a transformers checkpoint with
    safetensors weights.
    """
    if model == HOUSE:
        directory = HOUSE_CHECKPOINT
    elif (given := Path(model).expanduser()).is_dir():
        directory = given.resolve()
    elif _HUB_ID.fullmatch(model):
        directory = _snapshot(model)
    else:
        raise ModelError(
            f"{model} is no directory and no id of a Hugging Face model: give one of the "
            f"two, or {HOUSE!r}"
        )
    weight_files(directory)
    return directory


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The safetensors files of a checkpoint, the index of a sharded one among them.

    Raises ModelError where ``directory`` is not a checkpoint that Backstream can use, naming what
    is missing.
    """
    config = directory / "config.json"
    if not config.is_file():
        raise ModelError(f"{directory} is not a model directory: it has no config.json")
    if "model_type" not in read_object(config):
        raise ModelError(
            f"{config} names no model_type: not the configuration of a transformers model"
        )
    if not (directory / "tokenizer.json").is_file():
        raise ModelError(
            f"{directory} has no tokenizer.json: convert its tokenizer to the fast kind and "
            "save it there"
        )
    if (directory / WEIGHTS).is_file():
        return (directory / WEIGHTS,)
    index = directory / _WEIGHTS_INDEX
    if not index.is_file():
        raise ModelError(
            f"{directory} has no {WEIGHTS}: save the model with save_pretrained; weights in "
            "pickles are not read"
        )
    shards = sorted(set(read_object(index).get("weight_map", {}).values()))
    for shard in shards:
        if Path(shard).name != shard or not (directory / shard).is_file():
            raise ModelError(
                f"{index} names {shard}, which is not there: the download or copy is not complete"
            )
    return (index, *(directory / shard for shard in shards))


def side_files(directory: Path) -> tuple[Path, ...]:
    """The other files of a checkpoint that matter: configuration, tokenizer, chat template."""
    return tuple(directory / name for name in _SIDE_FILES if (directory / name).is_file())


def sha256_of(file: Path) -> str:
    """The sum of a file, in hexadecimal. Raises ModelError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def checkpoint_digest(directory: Path, digest: Callable[[Path], str] = sha256_of) -> str:
    """The sum over weights, tokenizer and configuration: equal for equal models, wherever they
    lie.
    """
    total = hashlib.sha256()
    for file in sorted((*weight_files(directory), *side_files(directory))):
        total.update(f"{file.name} {digest(file)}\n".encode())
    return total.hexdigest()


def read_object(file: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises ModelError for anything else."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file} holds no JSON object")
    return value


def _snapshot(model: str) -> Path:
    """A hub model's files in the hub's own cache; the network is asked only where they are not
    there yet.
    """
    # Imported here: a worker with a local model never needs the hub's client.
    from huggingface_hub import snapshot_download

    try:
        directory = Path(
            snapshot_download(model, allow_patterns=list(_WANTED), local_files_only=True)
        )
        weight_files(directory)
        return directory
    except (ModelError, OSError):  # not in the cache, or a download that was cut short
        return _download(model)


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_WANTED)))
    except GatedRepoError as error:  # a kind of RepositoryNotFoundError
        raise ModelError(
            f"{model} is gated: accept its terms on its page at the hub, then set HF_TOKEN "
            "to a token of that account"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no directory {model!r}, and the hub shows no model of that name: "
            "check the spelling; "
            "for a private one set HF_TOKEN"
        ) from error
    except (
        HfHubHTTPError,
        OSError,
        ValueError,
    ) as error:  # LocalEntryNotFoundError, time-outs and proxies are OSErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{model} is not in the local cache and could not be downloaded ({reason}): "
            "check the network, or give a directory"
        ) from error
