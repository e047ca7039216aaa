"""Decoding of text from any source, with labels as the web means them.

See https://encoding.spec.whatwg.org. A label stands for what browsers decode it as: ``iso-8859-1``
is windows-1252, ``gb2312`` is gb18030. Other codecs of Python are not used: some take quadratic
time, and some do not read text.
"""

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

import webencodings

from schemas.errors import NotText
from schemas.text.declarations import declared_charset
from schemas.text.media_types import JSON
from schemas.text.signatures import binary_kind

REPLACEMENT = "\ufffd"
"""Stands for what cannot be decoded."""
_BYTE_ORDER_MARK = "\ufeff"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_BOM_UTF_32 = codecs.BOM_UTF32_LE
"""Begins with the mark of UTF-16."""
_NOT_FOR_TEXT = ("replacement", "x-user-defined")
"""Encodings of the web that browsers read no text with."""
_CODECS = {"gbk": "gb18030"}
"""Encodings that the web decodes by another one, which reads more."""
_LONGEST_LABEL = 40
"""Characters of an unknown label that an error has."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_TOLERATED = 0.001
"""Share of a text's characters that may be malformed where no other is outside of ASCII.

More than that is a text in another charset: some 2% of German text are umlauts.
"""


class Encoding(NamedTuple):
    """One of the encodings of the web."""

    name: str
    codec: str
    """The name of Python's codec."""

    @classmethod
    def labelled(cls, label: str) -> "Encoding | None":
        """The encoding of a label. None for a label that the web does not know."""
        return _lookup(label)


@lru_cache(maxsize=256)
def _lookup(label: str) -> Encoding | None:
    found = webencodings.lookup(label) if label.isascii() else None
    if found is None or found.name in _NOT_FOR_TEXT:
        return None
    return Encoding(found.name, _CODECS.get(found.name, found.codec_info.name))


_UTF_8 = Encoding("utf-8", "utf-8")


def decode(data: bytes, label: str | None = None, media_type: str = "text/plain") -> str:
    """Make text of bytes. What cannot be decoded becomes U+FFFD, and so does a zero byte.

    A byte order mark decides on the encoding, else ``label`` (the protocol's), else what an HTML
    page declares itself, else UTF-8. A label that the web does not know is passed over, as browsers
    do. Raises NotText for binary data, except in JSON, and for a text that is plainly in another
    charset.
    """
    encoding, start, basis = _encoding_of(data, label, media_type)
    if media_type != JSON and (encoding.name[:6] != "utf-16" or data.startswith(_BOM_UTF_32)):
        kind = binary_kind(data)
        if kind is not None:
            raise NotText(kind)
    body = data[start:] if start else data
    text = clean(body.decode(encoding.codec, "replace"))
    if REPLACEMENT in text:
        _check(text, body, encoding, basis)
    return text


def clean(text: str) -> str:
    """A text without a byte order mark; zero characters and lone surrogates become U+FFFD.

    Escapes in JSON can name both.
    """
    text = text.lstrip(_BYTE_ORDER_MARK)
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    return text if text.isascii() else _SURROGATES.sub(REPLACEMENT, text)


def is_blank(text: str) -> bool:
    """Whether nothing is left without the white space, and then the U+FFFD, at both ends."""
    return not text.strip().strip(REPLACEMENT)


def _encoding_of(data: bytes, label: str | None, media_type: str) -> tuple[Encoding, int, str]:
    """The encoding, the length of the byte order mark, and what the encoding is told by."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            encoding = _lookup(name)
            assert encoding is not None
            return encoding, len(mark), "as its byte order mark says"
    if label and (encoding := _lookup(label)):
        return encoding, 0, f"as its label {label!r} says"
    declared = declared_charset(data) if media_type == "text/html" else None
    if declared and (encoding := _lookup(declared)):
        return encoding, 0, f"as the page declares with {declared!r}"
    if unknown := declared or label:
        return _UTF_8, 0, f"and its label {unknown[:_LONGEST_LABEL]!r} is no charset that is read"
    return _UTF_8, 0, "and nothing names another charset"


def _check(text: str, body: bytes, encoding: Encoding, basis: str) -> None:
    """Raise NotText where a text is more likely in another charset than damaged.

    U+FFFD that the bytes spell out is somebody else's, and tells nothing about their charset.
    """
    spelt_out = body.decode(encoding.codec, "ignore").count(REPLACEMENT)
    malformed = text.count(REPLACEMENT) - spelt_out
    if not malformed:
        return
    if not is_blank(text):
        others = len(text) - len(text.encode("ascii", "ignore")) - malformed - spelt_out
        if malformed <= max(1, others, len(text) * _TOLERATED):
            return
    try:
        body.decode(encoding.codec)
    except UnicodeDecodeError as error:
        first = f", the first at byte {error.start:,}"
    else:
        first = ""
    raise NotText(
        f"not {encoding.name.upper()}, {basis}: {malformed:,} of {len(text):,} characters cannot "
        f"be decoded{first}",
        in_other_charset=True,
    )
