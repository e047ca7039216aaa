"""What a checkpoint's directory says about its tokenizer."""

import json
import re
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.prompts.chat import token_text
from schemas.errors import ModelError

_LINE_END = re.compile("\n|\u010a|^<0x0A>$")


def read_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of a checkpoint, without padding and truncation. Raises ModelError."""
    file = directory / "tokenizer.json"
    if not file.is_file():
        raise ModelError(
            f"{directory} has no tokenizer.json. Give a model directory; for a model with a "
            "slow tokenizer only, save its fast tokenizer there"
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises a bare Exception for every malformed file
        raise ModelError(f"{file} cannot be read as a tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def read_stop_ids(tokenizer: Tokenizer, config: dict[str, Any], directory: Path) -> tuple[int, ...]:
    """Tokens that end a generation, that of ``tokenizer_config.json`` first.

    ``config`` is the content of that file. Raises ModelError where none is named.
    """
    generation = read_json(directory / "generation_config.json")
    eos = token_text(config.get("eos_token"))
    first = tokenizer.token_to_id(eos) if eos else None
    declared = generation.get("eos_token_id") or []
    declared = [declared] if isinstance(declared, int) else list(declared)
    ids = ([first] if first is not None else []) + [id for id in declared if id != first]
    if not ids:
        raise ModelError(
            "this tokenizer names no end-of-sequence token, so a generation would never stop: "
            "set eos_token in tokenizer_config.json"
        )
    return tuple(ids)


def opening_ids(tokenizer: Tokenizer) -> list[int]:
    """Ids that the tokenizer puts before a text: a beginning-of-sequence token, or none."""
    word = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    return whole[: whole.index(word[0])] if word[0] in whole else []


def line_end_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Tokens that contain a newline, as byte-level and sentencepiece vocabularies spell it."""
    return frozenset(id for token, id in tokenizer.get_vocab().items() if _LINE_END.search(token))


def read_json(file: Path) -> dict[str, Any]:
    """The object in a file; empty where there is none. Raises ModelError."""
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
