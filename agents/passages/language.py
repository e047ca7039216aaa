"""The language of a text, told by CLD2 (pycld2): 3 MB of tables, some 60 microseconds a passage."""

import pycld2

_READ = 4000
"""Characters that are looked at."""
_OTHER_NAMES = {"iw": "he", "jw": "jv"}
"""Codes of CLD2 that ISO 639 has replaced."""


def language_of(text: str) -> str | None:
    """The language as a code of ISO 639, such as ``en``. None where it cannot be told."""
    text = text[:_READ]
    try:
        reliable, _, found = pycld2.detect(text)
    except pycld2.error:  # control characters and the like, which it does not take
        printable = (one if one.isprintable() else " " for one in text)
        reliable, _, found = pycld2.detect("".join(printable))
    code = found[0][1].partition("-")[0]
    return _OTHER_NAMES.get(code, code) if reliable and code != "un" else None
