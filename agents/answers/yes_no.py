"""Yes and no, in some languages."""

import re

from agents.answers.plain_text import plain
from agents.answers.stated import stated

_YES = "yes yeah yep sí sim oui ja да так evet نعم हाँ हां true correct"
_NO = "no nope non nein nee nej não нет ні hayır لا नहीं false incorrect"
_SPACELESS = {"是的": "yes", "はい": "yes", "不是": "no", "いいえ": "no", "네": "yes", "아니": "no"}
_MEANING = {**dict.fromkeys(_YES.split(), "yes"), **dict.fromkeys(_NO.split(), "no")}
_ANY = re.compile(rf"(?<!\w)({'|'.join(_MEANING)})(?!\w)", re.IGNORECASE)
_FIRST = re.compile(rf"\W{{0,9}}({'|'.join(_MEANING)})(?!\w)", re.IGNORECASE)
_FALSE = re.compile(r"(?<!\w)not\s+(true|correct)(?!\w)", re.IGNORECASE)


def yes_or_no_in(text: str) -> str | None:
    """``yes`` or ``no``; None where a text says neither, or both.

    What it states as its answer counts, then what it begins with, then what it says at all.
    """
    answer = stated(text)
    text = plain(text).strip()
    for part, pattern in ((answer, _ANY), (text, _FIRST)):
        if part is None:
            continue
        if found := pattern.search(part) if pattern is _ANY else pattern.match(part):
            return "no" if _FALSE.search(part[: found.end()]) else _MEANING[found[1].lower()]
        for start, meaning in _SPACELESS.items():
            if part.startswith(start):
                return meaning
    said = {_MEANING[word.lower()] for word in _ANY.findall(_FALSE.sub("false", text))}
    return said.pop() if len(said) == 1 else None
