"""Choices: the options that a question lists, as letters or labels, and the one that is chosen."""

import re
from collections.abc import Mapping

from agents.answers.plain_text import plain
from agents.answers.stated import bare, stated

Options = Mapping[str, str]
"""What is answered, a letter in lower case or a label, to the words of the option."""

_LISTED = re.compile(
    r"(?:^|(?<=[\s,;:?]))(?:\(([A-Ha-h])\)|([A-H])[.):])\s+(.+?)"
    r"(?=\s*(?:[,;]?\s*(?:\([A-Ha-h]\)|(?<![\w'])[A-H][.):])\s|\n|$))"
)
_LABEL = r"[^\W\d_][\w'/-]*(?:[ ][\w'/-]+){0,2}"
_LABELS = re.compile(
    rf"(?:\b(?:as|is\s+it|either|whether\s+(?:it|this|that|the\s+\w+)\s+(?:is|was)|between|into"
    rf"|of)\b(?:\s+(?:an?|the|either|being))?|:)\s*"
    rf"((?:[\"'“]?{_LABEL}[\"'”]?,\s+){{0,8}}[\"'“]?{_LABEL}[\"'”]?),?\s+(?:or|and)\s+"
    rf"(?:an?\s+)?[\"'“]?({_LABEL})[\"'”]?\s*(?=[.?!:\n]|$)",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s*,\s*")
_QUOTES = "\"'“” "
_ARTICLE = re.compile(r"(?:an?|the)\s+", re.IGNORECASE)
_MOST_LABELS = 10
_SEVERAL_THINGS = re.compile(r"[:\n][^:\n]+,[^:\n]+,[^:\n]+$|[:\n][^:\n]+,[^:\n]+$")
"""A list of things at the end, each of which is to be given a label."""


def options_of(instruction: str, context: str | None = None) -> Options | None:
    """The options that a question gives; None where it gives none.

    ``A) red B) blue``, a letter a line, or labels such as ``as positive or negative``.
    """
    text = plain(instruction) + (f"\n{plain(context)}" if context else "")
    listed: dict[str, str] = {}
    for in_brackets, alone, words in _LISTED.findall(text):
        letter = (in_brackets or alone).lower()
        if letter == chr(ord("a") + len(listed)):  # they come in order
            listed[letter] = bare(words).lower()
    if len(listed) >= 2:
        return listed
    labels = _labels(plain(instruction))
    return {label: label for label in labels} if labels else None


def choice_in(text: str, options: Options) -> str | None:
    """The option that a text chooses; None where it chooses none, or more than one.

    What it states as its answer counts, then what it begins with, then the one option that it names
    at all.
    """
    answer = stated(text)
    if answer is not None and (chosen := _chosen(answer, options)):
        return chosen
    said = plain(text).strip()
    if chosen := _begins_with(said, options):
        return chosen
    named = _named(said, options)
    return named.pop() if len(named) == 1 else None


def _chosen(answer: str, options: Options) -> str | None:
    chosen = _begins_with(answer, options)
    if chosen is None and len(named := _named(answer, options)) == 1:
        chosen = named.pop()
    return chosen


def _begins_with(text: str, options: Options) -> str | None:
    text = text.lstrip(_QUOTES + "*")
    for option, words in options.items():
        # The letter A may begin a sentence, so it stands alone or has a mark behind it.
        letter = rf"(?:option\s+)?(?:\({option}\)|{option}(?:[.):]|\s*$|\s+[-–—]))"
        if _is_letter(option) and re.match(letter, text, re.IGNORECASE):
            return option
        if re.match(rf"(?:an?\s+|the\s+)?{re.escape(words)}(?!\w)", text, re.IGNORECASE):
            return option
    return None


def _named(text: str, options: Options) -> set[str]:
    """The options whose words, or whose letter in brackets, are somewhere in a text.

    Words that are part of another option's words there, as ``mammal`` in ``non-mammal``, are not.
    """
    low = text.lower()
    found: set[str] = set()
    for option, words in sorted(options.items(), key=lambda one: -len(one[1])):
        name = re.compile(rf"(?<![\w-]){re.escape(words)}(?![\w])")
        if name.search(low):
            found.add(option)
            low = name.sub(" ", low)
    if _is_letter(next(iter(options))):
        found |= {option for option in options if re.search(rf"\({option}\)|\b{option}\)", low)}
    return found


def _is_letter(option: str) -> bool:
    return len(option) == 1 and option.isascii()


def _labels(instruction: str) -> list[str]:
    if _SEVERAL_THINGS.search(instruction):
        return []
    found = _LABELS.search(instruction)
    if found is None:
        return []
    parts = [*_SPLIT.split(found[1]), found[2]]
    labels = [_ARTICLE.sub("", part.strip(_QUOTES)).strip().lower() for part in parts]
    distinct = list(dict.fromkeys(label for label in labels if label))
    return distinct if 2 <= len(distinct) <= _MOST_LABELS else []
