"""Personal data and secrets in a text: e-mail addresses, telephone numbers and keys.

Each pattern reads a text in linear time. What documents use as examples is not personal: addresses
at the domains of RFC 2606, and the numbers 555-01xx of North America.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.records import Example

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_RESERVED = re.compile(
    r"^git@|[@.](?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE
)
_NUMBER = r"\(?\d{1,5}\)?(?:[ ./-]{1,3}\(?\d{1,5}\)?|\d{1,5}){1,6}"
_PHONE = re.compile(
    rf"(?<![\w.+/~-])\+[1-9]{_NUMBER}(?![\w+-])"
    # North America; codes begin with 2 to 9.
    r"|(?<![\w.+/-])(?:1[ .-])?"
    r"(?:\([2-9]\d\d\) ?[2-9]\d\d[.-]|[2-9]\d\d(?P<by>[.-])[2-9]\d\d(?P=by))\d{4}(?![\w-])"
    # A number without its country's code is one where it says so.
    r"|(?:(?<!\w)(?i:tel|phone|telephone|telefon|telefono|teléfono|telefone|téléphone|tél|fax"
    r"|mobile|mobil|móvil|handy|тел|телефон)|電話|电话|手机|手機|전화)"
    rf"[.:： ]{{0,3}}(?P<said>[+(]?{_NUMBER})(?![\w-])"
)
_MANY_DIGITS = re.compile(r"(?:\d\D{0,4}){6}\d")
"""In every text with a telephone number, and found faster than one."""
_FEWEST_DIGITS = 7
_MOST_DIGITS = 15
"""Of a telephone number, by ITU-T E.164."""
_EXAMPLE_PHONE = re.compile(r"555\D?01\d\d$")
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----\s"
    r"(?:(?:[^-\"']|-(?!----)){40,100000}-----END [A-Z ]{1,50}-----"
    r"|(?:[A-Za-z0-9+/=]{16,76}\s{0,4}){1,2000})"
    r"|(?<!\w)(?:A(?:KI|SI)A(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}"  # Amazon
    r"|gh[pousr]_\w{36,255}|github_pat_\w{22,255}|glpat-[\w-]{20,64}"
    r"|xox[abeoprs]-[\w-]{10,255}"  # Slack
    r"|AIza[\w-]{35}"  # Google
    r"|sk-(?=[A-Za-z_-]{0,100}\d)[\w-]{20,255}|hf_[A-Za-z0-9]{30,64}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,255}"
    r"|[rs]k_live_\w{16,255}"  # Stripe
    r"|eyJ[\w-]{10,4000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000})(?![\w-])"  # JSON web tokens
    r"|(?<=://)[\w.%+-]{1,64}:[^\s:@/]{3,128}(?=@[\w-])"  # user and password of a URL
)
_IN_KEYS = (
    *("PRIVATE KEY-----", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "xox", "AIza", "sk-", "hf_", "npm_", "pypi-", "k_live_", "eyJ"),
)
"""One of them is in every key but a password, and found faster."""
_NO_PASSWORD = re.compile(
    r"[^:@]{1,64}:(?:[<{$\[*x.]|pass|pw)"  # to be filled in
    r"|[^@]{1,200}@(?:[\w-]{1,63}\.){0,8}(?:example|test|invalid|localhost)\b",
    re.IGNORECASE,
)

EMAIL, PHONE, KEY = "e-mail address", "phone number", "key"


class Found(NamedTuple):
    """One place in a text."""

    kind: str
    start: int
    end: int


_MASKS = tuple(f"[masked {kind}]" for kind in (EMAIL, PHONE, KEY))


def find_personal_data(text: str) -> list[Found]:
    """The places with personal data in a text, in order. No two overlap."""
    found = [*_keys(text), *_emails(text), *_phones(text)]
    found.sort(key=lambda one: (one.start, -one.end))
    apart: list[Found] = []
    for one in found:
        if not apart or one.start >= apart[-1].end:
            apart.append(one)
    return apart


def masked(text: str) -> str:
    """The text with ``[masked e-mail address]`` and the like for personal data."""
    parts, end = [], 0
    for one in find_personal_data(text):
        parts += [text[end : one.start], f"[masked {one.kind}]"]
        end = one.end
    return "".join([*parts, text[end:]])


def count_masks(example: Example) -> int:
    """Number of places of an example that are masked."""
    said = (turn.text for turn in example.turns)
    texts = (example.instruction, example.context, example.response, *said)
    return sum(text.count(one) for text in texts if text for one in _MASKS)


def _emails(text: str) -> Iterator[Found]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if not _RESERVED.search(match[0]):
                yield Found(EMAIL, *match.span())


def _phones(text: str) -> Iterator[Found]:
    for match in _PHONE.finditer(text) if _MANY_DIGITS.search(text) else ():
        group = "said" if match["said"] else 0
        digits = sum(map(str.isdecimal, match[group]))
        if _FEWEST_DIGITS <= digits <= _MOST_DIGITS and not _EXAMPLE_PHONE.search(match[group]):
            yield Found(PHONE, *match.span(group))


def _keys(text: str) -> Iterator[Found]:
    if not ("://" in text and "@" in text) and not any(sign in text for sign in _IN_KEYS):
        return
    for match in _KEY.finditer(text):
        start, end = match.span()
        if not (text[start - 3 : start] == "://" and _NO_PASSWORD.match(text, start)):
            yield Found(KEY, start, end)
