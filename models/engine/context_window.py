"""Reads the context window from a model's configuration."""

import json
from pathlib import Path

from schemas.errors import ModelError

_KEYS = ("max_position_embeddings", "n_positions")


def context_window_of(file: Path) -> int:
    """Tokens of the context window that a ``config.json`` states.

    Raises ModelError where it states none.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{file} cannot be read ({error.strerror}): not an exported model, export it first"
        ) from error
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
    sizes = [config[key] for key in _KEYS if key in config] if isinstance(config, dict) else []
    if not sizes or not isinstance(sizes[0], int) or sizes[0] < 1:
        raise ModelError(f"{file} does not state the model's context window ({' or '.join(_KEYS)})")
    return sizes[0]
