"""Formats the cells of the report's tables."""

from collections.abc import Sequence

import numpy as np

from bench.loop.bootstrap import SeedEstimate


def estimate_cell(found: SeedEstimate, sign: str = "") -> str:
    """Return a value with its interval; a dash if it is not a number."""
    if not np.isfinite(found.value):
        return "–"
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


def range_cell(values: Sequence[int]) -> str:
    """Return the lowest and the highest value, or the one that all have."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def list_cell(words: Sequence[str]) -> str:
    """Return words separated by commas."""
    return ", ".join(words)


def text_cell(text: str, longest: int) -> str:
    """Return a text on one line, cut to ``longest`` characters and escaped for Markdown."""
    flat = " ".join(text.split())
    flat = flat if len(flat) <= longest else flat[: longest - 1] + "…"
    return flat.replace("|", "\\|").replace("<", "&lt;")
