"""Responses that lack some sentences, so that a pair which is read again is not the same again."""

import random
import re

from models.seeds.pairs import Pair

_SENTENCE = re.compile(r"\S.*?(?:[.!?]\s+|\n\s*|$)", re.DOTALL)
"""A sentence or a line, with the white space that follows it."""
_LEFT_OUT = 0.2
"""The chance of each sentence to be left out."""


def shorten(pair: Pair, generator: random.Random) -> Pair:
    """The pair without some sentences or lines of its response; one at least is left."""
    sentences = _SENTENCE.findall(pair.response)
    kept = [sentence for sentence in sentences if generator.random() >= _LEFT_OUT] or sentences[:1]
    return Pair(pair.instruction, "".join(kept).rstrip(), pair.context)
