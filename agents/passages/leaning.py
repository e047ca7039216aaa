"""Whether a text begins in the midst of something, or leads into what follows it."""

import re

from agents.passages.sentences import TERMINALS

BULLET = re.compile(r"[ \t]*(?:[-*+•‣◦▪·–—][ \t]+\S|\(?(?:\d{1,3}|[a-z])[.)][ \t]+\S)")
"""The first line of a list's item."""
_FIRST_ITEM = re.compile(r"[ \t]*\(?(?:1|a)[.)][ \t]")
_CODE = re.compile(r"[ \t]*(?:```|~~~)|(?: {4}|\t)")
_ROW = re.compile(r"[ \t]*\|.*\||[^\n|]+ \| .*\n[^\n|]* \| ")
_DEFINITION = re.compile(r"[ \t]*:[ \t]")
_FULL_STOP = re.compile(rf"[{TERMINALS};,][\"'’”»)\]]*\Z")
_QUESTION = re.compile(r"[ \t]*(?:\*\*)?(?:Q|Question|Frage|问|問)(?:[ \t]?\d+)?[.:：][ \t]*\S")
_LONGEST_LEAD = 120


def is_item(text: str) -> bool:
    """Whether the text begins with an item of a list."""
    return BULLET.match(text) is not None


def is_code(text: str) -> bool:
    """Whether the text begins with a fence or is indented as code is."""
    return _CODE.match(text) is not None


def is_row(text: str) -> bool:
    """Whether the text begins with rows of a table: two at least, or one between bars."""
    return _ROW.match(text) is not None


def begins_inside(text: str) -> bool:
    """Whether a text begins with an item, a row, code or a definition, or within a sentence."""
    if is_item(text) or is_code(text) or is_row(text) or _DEFINITION.match(text):
        return True
    first = text.lstrip()[:1]
    return bool(first) and (first.islower() or first in ",;.)]}»”…|")


def leads_on(text: str) -> bool:
    """Whether a block leads into the next one: a colon, a question, a term, a line as a heading."""
    last = text.rstrip()
    if last.endswith((":", "：", ":**", "::")):
        return True
    if _QUESTION.match(last):
        return True
    if "\n" in last.strip() or len(last) > _LONGEST_LEAD or is_item(last) or is_code(last):
        return False
    if last.rstrip("*_").endswith(("?", "？", "؟")):
        return True
    return not is_row(last) and not _FULL_STOP.search(last.rstrip("*_")) and "[" not in last[:1]
