"""What texts are found by: words, and the characters of languages that put no blank between words.

The full-text index takes what lies between blanks for a word. So each character of Chinese,
Japanese, Thai, Lao, Khmer and Burmese is written to it as a word of its own, and a search for a run
of them asks for these characters one after the other.
"""

import re

_MOST_WORDS = 20
_LONGEST_WORD = 100
_WITHOUT_BLANKS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_CHARACTER = re.compile(f"([{_WITHOUT_BLANKS}])")
# The vowel signs of Thai and others are no letters, but do not end a word.
_WORD = re.compile(rf"(?:[^\W_]|[{_WITHOUT_BLANKS}])+")


def indexed(text: str) -> str:
    """A text as it is written to the full-text index."""
    return text if text.isascii() else _CHARACTER.sub(r" \1 ", text)


def match_of(text: str) -> str | None:
    """A query for FTS5 that asks for every word, and for the last one as a beginning.

    None where there is no word. Each word is quoted, so that none is an operator.
    """
    words = [word[:_LONGEST_WORD] for word in _WORD.findall(text)[:_MOST_WORDS]]
    return " ".join(f'"{indexed(word)}"' for word in words) + "*" if words else None
