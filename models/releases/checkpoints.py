"""Locates the files of a checkpoint, without torch.

A checkpoint is the house model, a directory, or a model of the Hugging Face hub.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.prompts.own.directory import PROMPTS_FILE
from schemas.errors import ModelError

HOUSE = "house"
"""The name of the bundled model."""
HOUSE_CHECKPOINT = Path(__file__).parents[1] / "house" / "checkpoint"

WEIGHTS = "model.safetensors"
CHAT_TEMPLATE = "chat_template.jinja"
TOKENIZER_CONFIG = "tokenizer_config.json"
_WEIGHTS_INDEX = "model.safetensors.index.json"
_SIDE_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    CHAT_TEMPLATE,
    PROMPTS_FILE,
)
_WANTED = (*_SIDE_FILES, WEIGHTS, _WEIGHTS_INDEX, "model-*-of-*.safetensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_BLOCK = 1 << 20


def locate(model: str) -> Path:
    """Return the directory of a checkpoint.

    ``model`` is ``house``, a directory, or a hub id. A model of the hub is downloaded unless it is
    cached.

    Raises ModelError if there is no such directory, the hub has no such model or denies access, the
    network is down, or the files are not a transformers checkpoint with safetensors weights.
    """
    if model == HOUSE:
        directory = HOUSE_CHECKPOINT
    elif (given := Path(model).expanduser()).is_dir():
        directory = given.resolve()
    elif _HUB_ID.fullmatch(model):
        directory = _snapshot(model)
    else:
        raise ModelError(
            f"{model} is neither a file, a directory nor an id of a Hugging Face model: give one "
            "of them, or a name that `backstream models list --available` shows"
        )
    weight_files(directory)
    return directory


def weight_files(directory: Path) -> tuple[Path, ...]:
    """Return the safetensors files of a checkpoint, with the index if it is sharded.

    Raises ModelError, naming what is missing, if ``directory`` is not a checkpoint that Backstream
    can use.
    """
    config = directory / "config.json"
    if not config.is_file():
        raise ModelError(f"{directory} is not a model directory: it has no config.json")
    if "model_type" not in read_object(config):
        raise ModelError(
            f"{config} has no model_type: it is not the configuration of a transformers model"
        )
    if not (directory / "tokenizer.json").is_file():
        raise ModelError(
            f"{directory} has no tokenizer.json: convert its tokenizer to a fast tokenizer and "
            "save it there"
        )
    if (directory / WEIGHTS).is_file():
        return (directory / WEIGHTS,)
    index = directory / _WEIGHTS_INDEX
    if not index.is_file():
        raise ModelError(
            f"{directory} has no {WEIGHTS}: save the model with save_pretrained; pickled weights "
            "are not supported"
        )
    weights = read_object(index).get("weight_map")
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
        raise ModelError(f"{index} has no weight_map from weights to files: save the model again")
    shards = sorted(set(weights.values()))
    for shard in shards:
        if not has_file(directory, shard):
            raise ModelError(
                f"{index} names {shard}, which is missing: the download or copy is incomplete; "
                "repeat it"
            )
    return (index, *(directory / shard for shard in shards))


def has_file(directory: Path, name: str) -> bool:
    """Return whether a directory has a file of this name itself, not by a path to elsewhere."""
    try:
        return Path(name).name == name and (directory / name).is_file()
    except OSError:  # the name is too long
        return False


def side_files(directory: Path) -> tuple[Path, ...]:
    """Return the files of configuration, tokenizer and prompts that a checkpoint has."""
    return tuple(directory / name for name in _SIDE_FILES if (directory / name).is_file())


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises ModelError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def checkpoint_digest(directory: Path, digest: Callable[[Path], str] = sha256_of) -> str:
    """Return one hash over weights, tokenizer and configuration.

    Equal models have equal hashes, independent of their paths.
    """
    total = hashlib.sha256()
    for file in sorted((*weight_files(directory), *side_files(directory))):
        total.update(f"{file.name} {digest(file)}\n".encode())
    return total.hexdigest()


def read_object(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises ModelError for anything else."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file} does not hold a JSON object")
    return value


def _snapshot(model: str) -> Path:
    """Return a hub model's directory in the hub's cache, downloading only what is missing."""
    # Imported here, because a worker with a local model does not need the hub's client.
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
    except GatedRepoError as error:  # a subclass of RepositoryNotFoundError
        raise ModelError(
            f"{model} is gated: accept its terms on its page at the hub, then set HF_TOKEN to a "
            "token of that account"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no directory {model!r}, and the hub lists no model of that name: check the "
            "spelling; for a private model set HF_TOKEN"
        ) from error
    # LocalEntryNotFoundError, time-outs and errors of proxies are OSErrors.
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{model} is not in the local cache and could not be downloaded ({reason}): "
            "check the network, or give a directory"
        ) from error
