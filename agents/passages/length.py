"""The length of a text, comparable between scripts.

The same paragraph has 253 characters in English, 282 in German, 254 in Russian, 228 in Arabic, 234
in Hindi and 215 in Thai, but 110 in Korean, 94 in Japanese and 86 in Chinese. So a Chinese
character counts as three, and a character of the Japanese syllabaries or of Korean as two.
"""

import re
from collections.abc import Iterable

_HAN = re.compile(
    "[\u2e80-\u2fd5\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]"
)
_SYLLABLES = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uac00-\ud7a3]")


def length_of(text: str) -> int:
    """Number of characters, as many as the text would have about in an alphabet."""
    length = len(text)
    if text.isascii():
        return length
    without_han = len(_HAN.sub("", text))
    without_syllables = len(_SYLLABLES.sub("", text))
    return length + 2 * (length - without_han) + (length - without_syllables)


def density_of(blocks: Iterable[str]) -> float:
    """Most ``length_of`` that a character has in one of the blocks, at least 1."""
    return max((length_of(block) / len(block) for block in blocks if block), default=1.0)
