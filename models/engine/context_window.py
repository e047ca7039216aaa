"""The context window that a model's configuration states."""

import json
from pathlib import Path

from schemas.errors import ModelError

_CONTEXT_KEYS = ("max_position_embeddings", "n_positions")


def context_window_of(file: Path) -> int:
    """Tokens of the context window that a ``config.json`` tells. Raises ModelError where it does
    not.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{file} cannot be read ({error.strerror}): not an exported model, export it first"
        ) from error
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
    sizes = (
        [config[key] for key in _CONTEXT_KEYS if key in config] if isinstance(config, dict) else []
    )
    if not sizes or not isinstance(sizes[0], int) or sizes[0] < 1:
        raise ModelError(
            f"{file} does not tell the model's context window ({' or '.join(_CONTEXT_KEYS)})"
        )
    return sizes[0]
