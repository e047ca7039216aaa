"""The words of a text, as novelty and leakage compare them."""

import re

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-cased runs of letters, digits and underscores, in order: ``What is __init__?`` gives what, is, __init__."""
    return _WORD.findall(text.lower())
