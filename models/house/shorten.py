"""Shortens responses, so that a pair that is trained on again differs from the last time."""

import random
import re

from models.seeds.pairs import Pair

_SENTENCE = re.compile(r"\S.*?(?:[.!?]\s+|\n\s*|$)", re.DOTALL)
"""A sentence or a line, with the white space after it."""
_LEFT_OUT = 0.2
"""Probability with which each sentence is left out."""


def shorten(pair: Pair, generator: random.Random) -> Pair:
    """Return the pair without some sentences or lines of its response, but with at least one."""
    sentences = _SENTENCE.findall(pair.response)
    kept = [sentence for sentence in sentences if generator.random() >= _LEFT_OUT] or sentences[:1]
    return Pair(pair.instruction, "".join(kept).rstrip(), pair.context)
