"""A model's text without the marks of Markdown and LaTeX, and with ASCII digits."""

import re
import unicodedata

_BRACED = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_LATEX = (
    (re.compile(r"\\[dtc]?frac\s*" + _BRACED + r"\s*" + _BRACED), r" \1/\2"),
    (re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|boxed|fbox|mbox)\s*" + _BRACED), r"\1"),
    (re.compile(r"\\(?:left|right|displaystyle)\b|\\[()\[\],;:!]|\$\$"), " "),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\approx\b"), "≈"),
    (re.compile(r"\^\s*\{?\\circ\}?"), "°"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\([$%#&_{}])"), r"\1"),
)
_MARKDOWN = (
    (re.compile(r"(?m)^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?)"), ""),
    (re.compile(r"\*\*|__(?=\S)|(?<=\S)__|~~|`+"), ""),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]*?)(?<=\S)\*(?![\w*])"), r"\1"),
)
_MINUS = re.compile("[\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d](?=\\s?\\d)")


def plain(text: str) -> str:
    """A text as it is read: without marks of Markdown and LaTeX, in compatible characters.

    Digits of every script are ASCII digits, ``½`` is ``1/2``, and ``²`` is ``^2``.
    """
    if not text.isascii():
        text = "".join(map(_compatible, text))
        text = _MINUS.sub("-", text)
    for pattern, replacement in (*_LATEX, *_MARKDOWN):
        text = pattern.sub(replacement, text)
    return text


def _compatible(character: str) -> str:
    if character.isascii():
        return character
    made_of = unicodedata.decomposition(character)
    if made_of.startswith("<fraction>"):
        return f" {unicodedata.normalize('NFKC', character)}".replace("\u2044", "/")
    if made_of.startswith("<super>"):
        return f"^{unicodedata.normalize('NFKC', character)}"
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    if character in "\u066b\u066c\u2044":  # Arabic signs for decimals and thousands; the slash
        return {"\u066b": ".", "\u066c": ",", "\u2044": "/"}[character]
    return unicodedata.normalize("NFKC", character)
