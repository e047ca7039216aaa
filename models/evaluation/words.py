"""The words of a text, in every script.

Where a script writes no spaces between words, or with combining marks, words are those of ICU:
Unicode's rules (UAX #29) and dictionaries for Chinese, Japanese, Thai, Lao, Khmer and Burmese.
"""

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"\w+")
SPACELESS = (
    "\u0e01-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff\u1950-\u19df\u1a20-\u1aad"  # Khmer, Tai
    "\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\U00020000-\U0003fffd"
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
)
"""The characters of scripts that write no spaces between words, for use between brackets."""
_SPACELESS = re.compile(f"[{SPACELESS}]")


def words(text: str) -> list[str]:
    """Lower-case words, in order: runs of letters, digits and underscores, or those of ICU.

    ``What is __init__?`` gives what, is, __init__.
    """
    text = text.lower()
    if text.isascii() or not (_SPACELESS.search(text) or any(map(_is_mark, set(text)))):
        return _WORD.findall(text)
    # Imported here: most texts do not need it.
    from icu4py.breakers import WordBreaker

    return [word for word in WordBreaker(text, "root") if _WORD.search(word)]


def count_words(text: str) -> int:
    """Number of words: what white space parts, or the words of ICU where none is written."""
    return len(words(text)) if is_spaceless(text) else len(text.split())


def is_spaceless(text: str) -> bool:
    """Whether a part of a text is in a script that writes no spaces between words."""
    return not text.isascii() and _SPACELESS.search(text) is not None


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"
