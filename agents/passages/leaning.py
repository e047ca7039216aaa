"""What leans on its surroundings: a text that begins within something, leads on, or refers."""

import re
from collections.abc import Iterator

from agents.passages.sections import Continued, repaired
from agents.passages.sentences import TERMINALS, sentence_starts
from agents.refusal import Refusal

BULLET = re.compile(r"[ \t]*(?:[-*+•‣◦▪·–—][ \t]+\S|\(?(?:\d{1,3}|[a-z])[.)][ \t]+\S)")
"""The first line of a list's item."""
_FIRST_ITEM = re.compile(r"[ \t]*\(?(?:1|a)[.)][ \t]")
_CODE = re.compile(r"[ \t]*(?:```|~~~)|(?: {4}|\t)")
_ROW = re.compile(r"[ \t]*\|.*\||[^\n|]+ \| .*\n[^\n|]* \| ")
_DEFINITION = re.compile(r"[ \t]*:[ \t]")
_FULL_STOP = re.compile(rf"[{TERMINALS};,][\"'’”»)\]]*\Z")
_QUESTION = re.compile(r"[ \t]*(?:\*\*)?(?:Q|Question|Frage|问|問)(?:[ \t]?\d+)?[.:：][ \t]*\S")
_LONGEST_LEAD = 120
_ANNOUNCES = re.compile(
    r"(?:\A(?:Here|Below) (?:is|are)\b[^.]*|\b(?:as|the) follow(?:s|ing)(?:\s\w+){0,2})\.\Z"
)
"""A line that leads on and ends as a sentence: "Here is an example.", "Run the following."."""
_LAST_SENTENCE = 400
"""Characters of a last sentence that is left out because it leads on to nothing."""
_FEWEST_WORDS = 3
_CONNECTIVE = re.compile(
    r"(?:However|Therefore|Thus|Hence|Moreover|Furthermore|Nevertheless|Nonetheless|Consequently"
    r"|Accordingly|Likewise|Similarly|Additionally|Besides|Otherwise|Instead|Conversely|Also"
    r"|In addition|In contrast|On the other hand|As a result|But|And|So|Then|Or|Nor|Yet|Finally"
    r"|Second(?:ly)?|Third(?:ly)?|Next)\b(?=,| (?:the|a|an|it|they|this|these|you|we|if|when)\b)"
    r"|The (?:above|preceding|previous)\b"
)
"""First words of a text that goes on with what stands before it."""
_PRONOUN = re.compile(
    r"(?:The (?:other|same|latter|former)"
    r"|It|They|He|She|This|These|That|Those|Such|Both|Here)\b(?!['’])"
    r"|(?:New|Changed|Added|Deprecated|Removed|Since) (?:in |since )?version \d"
)
"""First words that point back, where a section's text does not begin with them. So does a note on a
version, as Sphinx puts it below what it is about.
"""
_NAME = re.compile(
    r"[a-z]*[^a-z\s,;:]\S*"
    r"|(?!(?:which|that|this|these|those|it|they|there|who|what|and|or|but|so|as|one|each|all|both"
    r"|he|she|we|you|i)\b)\S+ (?:is|are|was|were|has|have|can|will|does|may|must)\b"
)
"""A first word in small letters that is a name: with other signs in it, or before a verb."""
CODE_SIGNS = re.compile(r"[{};=_*<>\t]|\w\(|\(\w|\[-")
"""Signs of a line of code."""
_SAID = (
    r"(?:see|as|seen|described|mentioned|shown|discussed|listed|given|noted|explained|defined"
    r"|stated|outlined|specified|documented|introduced|presented)"
)
_PARTS = r"(?:section|chapter|appendix|subsection)s?"
_FEW = r"(?:(?:in|on|the|is|are|it|them|this|here|more|also|again|just|fully|details?|for)\s+){0,3}"
_NAMED = (
    r"(?:(?:in|under|by|with)\s+)?(?:(?:the|a|an)\s+)?"
    r"[^\s,;:()]{2,60}(?:\s+[^\s,;:()]{1,40}){0,3}\s+"
)
"""The name of what stands there."""
_ENDS = r"(?=\s*(?:[.,;:)\]]|\Z)|\s+(?:for|and|in|on|is|are|as|to|when|how|of)\b)"
_BACK = re.compile(
    rf"\b{_SAID}\s+(?:{_FEW}(?:above|earlier|previously)|{_NAMED}above){_ENDS}"
    r"|\b(?:the|this|these)\s+(?:above|previous|preceding|foregoing|last)\s+(?:section|chapter"
    r"|paragraph|example|discussion|table|figure|list|command|code|page|description)s?\b"
    r"|\babove[- ]mentioned\b|\babove\)",
    re.IGNORECASE,
)
_ON = re.compile(
    rf"\b{_SAID}\s+(?:{_FEW}(?:below|later|further\s+down)|{_NAMED}below){_ENDS}|\bbelow\)",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    rf"\b(?:the|this)\s+(?:following|next|subsequent|previous|preceding|last)\s+{_PARTS}\b"
    r"|\b(?:see|in|of|and|with|to|from)\s+(?:the\s+)?(?:section|chapter|appendix|§)\s*"
    r"(?:called\s+|named\s+|titled\s+)?"
    r"(?:[\d\"“‘'`]|(?-i:[A-Z])\b)"
    rf"|\bsee\b[^.;\n]{{0,60}}\b{_PARTS}\b|\b(?:section|chapter)\s+\d+\.\d"
    rf"|\b{_PARTS}\s+(?:above|below|on\s+(?-i:[A-Z\"“]))",
    re.IGNORECASE,
)
_POINTER = re.compile(
    r"\A(?:please )?(?:see|refer to|consult)\b"
    r"|\bfor (?:(?:some|any|the|a) )?(?:more|further|additional|full|complete|other|detailed) "
    r"(?:\w+ )?(?:information|details?|documentation|descriptions?|examples?|help|discussions?)\b"
    r"|\b(?:can|may) be found (?:in|at|on|under|here)\b"
    r"|\b(?:see|refer to|described in|documented in|explained in|defined in|given in) (?:the )?"
    r"(?:[^\s.]+ ){0,6}?"
    r"(?:[\w.:-]+\(\d\w*\)|documentation|manual|README|RFC|chapter|file|page|wiki)"
    r"|\bsee also\b|https?://|\]\[",
    re.IGNORECASE,
)
"""A sentence that says where something stands in place of saying it."""
_OF_ANOTHER = re.compile(r"\s+(?:of|in)\s+(?!this\b|the\b)[\w.-]+\(\d\w*\)")
"""What follows a reference to a section of another manual page."""
_BLANK = re.compile(r"\n{3,}")
_BEFORE = 300
"""Characters of a passage before "as above" that are taken for what it refers to."""
_AFTER = 200
"""Characters after "see below" that are."""
_ASIDE = re.compile(
    r"\s?\((?:see|cf\.|as described|described|as mentioned|as explained)\b"
    r"(?:[^()\n]|\n(?!\n)){0,120}\)"
    r"|(?:(?<=[.!?:\"”])(?:[ ]{1,2}|\n(?!\n))|^)(?-i:See)\s+"
    r"(?:[^.\n]|\.(?=\S)|\n(?!\n)){0,200}\.(?=\s|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""A parenthesis, or a sentence, that refers."""


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
    """Whether a text begins with an item, a row, code, or the definition of a term."""
    return is_item(text) or is_code(text) or is_row(text) or _DEFINITION.match(text) is not None


def continues(before: str, text: str) -> bool:
    """Whether a text goes on with the sentence in which the text before it ends."""
    first = text.lstrip()[:1]
    if not first or not (first.islower() or first in ",;.)]}»”…"):
        return False
    return not _FULL_STOP.search(before.rstrip())


def points_back(text: str) -> bool:
    """Whether a text begins with a word that points to what stands before it."""
    start = text[:40].lstrip()
    return _PRONOUN.match(start) is not None or _CONNECTIVE.match(start) is not None


def points_elsewhere(sentence: str) -> bool:
    """Whether an English sentence says where something stands in place of saying it."""
    return _POINTER.search(sentence) is not None


def leads_on(text: str) -> bool:
    """Whether a block leads into the next one: a colon, a question, a term, a line as a heading."""
    last = text.rstrip()
    if last.endswith((":", "：", ":**", "::")):
        return True
    if _QUESTION.match(last):
        return True
    if "\n" in last.strip() or len(last) > _LONGEST_LEAD or is_item(last) or is_code(last):
        return False
    if last.rstrip("*_").endswith(("?", "？", "؟")) or _ANNOUNCES.search(last):
        return True
    return not is_row(last) and not _FULL_STOP.search(last.rstrip("*_")) and "[" not in last[:1]


def without_asides(text: str) -> str:
    """A text without what only refers to another place, as "(see section 2)" does."""
    found = _ASIDE.sub(lambda aside: "" if _refers(aside[0]) else aside[0], text)
    if found == text:
        return text
    return repaired(text, _BLANK.sub("\n\n", found).strip("\n"))


def without_last_lead(text: str) -> str:
    """A text without a last sentence that leads on: what it leads to was left out, or is elsewhere.

    A text that has no other sentence is returned as it is.
    """
    last = text.rstrip()
    if not last.endswith((":", "：", ".")):
        return text
    start = last.rfind("\n\n") + 2 if "\n\n" in last else 0
    start += max(sentence_starts(last[start:]), default=0)
    sentence = last[start:]
    if (
        not start
        or not (sentence.endswith((":", "：")) or _ANNOUNCES.search(sentence))
        or len(sentence) > _LAST_SENTENCE
        or len(sentence.split()) < _FEWEST_WORDS
        or is_code(sentence)
        or CODE_SIGNS.search(sentence)
    ):
        return text
    return repaired(text, last[:start].rstrip())


def refuse_leaning(text: str, headings: tuple[str, ...], *, first: bool) -> Refusal | None:
    """Refuse, as ``leans``, a passage that leans on what stands before or after it.

    ``first``: whether it is the first one below its heading. That may begin with a pronoun, because
    the heading says what is meant, and refer to what its own text may hold.
    """
    inside = isinstance(text, Continued)
    begin = "within an item or a definition" if inside else _begins(text, headings, first)
    if begin:
        return Refusal("leans", f"it begins {begin}")
    reference = next(_references(text), None)
    return Refusal("leans", f"it refers to another place: {reference!r}") if reference else None


def _begins(text: str, headings: tuple[str, ...], first: bool) -> str:
    start = text.lstrip()[:80]
    word = start.split(maxsplit=1)[0] if start else ""
    if not first and is_item(text) and not _FIRST_ITEM.match(text):
        return "with an item of a list"
    if start[:1] in ",;.)]}»”…":
        return f"with {start[:1]!r}"
    if start[:1].islower() and not is_code(text):
        line = start.split("\n", 1)[0]
        code = CODE_SIGNS.search(line)
        known = code or word.casefold() in " ".join(headings).casefold()
        term = "\n" in text and len(line) < 80 and leads_on(line)
        if not known and not term and not _NAME.match(start):
            return f"within a sentence, with {word!r}"
    if _CONNECTIVE.match(start) or (not first and _PRONOUN.match(start)):
        return f"with {word!r}, which points back"
    return ""


def _refers(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_ELSEWHERE, _BACK, _ON))


def _references(text: str) -> Iterator[str]:
    """References of a passage to what it does not hold."""
    for elsewhere in _ELSEWHERE.finditer(text):
        if not _OF_ANOTHER.match(text, elsewhere.end()):
            yield " ".join(elsewhere[0].split())
    for back in _BACK.finditer(text):
        if back.start() < _BEFORE:
            yield " ".join(back[0].split())
    for on in _ON.finditer(text):
        if len(text) - on.end() < _AFTER:
            yield " ".join(on[0].split())
