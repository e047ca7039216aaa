"""What strangers send: bodies of HTTP requests, and feeds."""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import zstandard

from schemas.errors import RequestRefused, SourceError, SourceUnavailable
from schemas.records import Document
from schemas.text import PassedOver
from schemas.wire import encode
from streams.intake.http.bodies import ENCODINGS, Labels, Limits, read_body
from streams.intake.watch.feed import documents_of_feed
from streams.intake.watch.fetching import Fetched
from tests.fuzz.mutation import damaged, text_of
from tests.fuzz.target import Parts

_LIMITS = Limits(bytes=200_000, documents=50)
_TOKENS = ("a", " ", "\n", "é", "<p>", "\0", "\ufeff", "\U0001f600", "{", '"', "&amp;", "]]>")
_TYPES = (
    *("text/plain", "text/html; charset=utf-8", "text/markdown;charset=utf-16", "TEXT/HTML"),
    *("application/json", "application/x-ndjson", "application/jsonl;charset=latin1"),
    *("", "a/b", "multipart/form-data", "text/plain; charset=utf-7", ";;", "é\0"),
)
_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


def _bytes(random: Random, data: bytes) -> bytes:
    return damaged(random, data) if random.random() < 0.5 else data


class Bodies:
    """``read_body``: documents, or a refusal with a status."""

    share = 20

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        rows = [
            {
                random.choice(("text", "content", "txt")): text_of(random, _TOKENS),
                "source": random.choice(("s", "", None, 5, ["x"])),
                "title": random.choice(("t", None)),
                "media_type": random.choice(("text/html", None, "image/png", 1)),
            }
            for _ in range(random.choice((1, 2, 60)))
        ]
        body = random.choice(
            (
                json.dumps(rows).encode(),
                b"\n".join(json.dumps(row).encode() for row in rows),
                json.dumps(rows[0]).encode(),
                text_of(random, _TOKENS).encode(random.choice(("utf-8", "utf-16")), "replace"),
            )
        )
        body = _bytes(random, body)
        coding = random.choice(("", "", "identity", "br", *ENCODINGS))
        if coding in _CODINGS:
            body = _bytes(random, _CODINGS[coding](body))
        return random.choice(_TYPES).encode(), coding.encode(), body

    def check(self, parts: Parts) -> None:
        content_type, coding, body = (part or b"" for part in parts)
        try:
            batch = read_body(
                body,
                content_type.decode("utf-8", "surrogateescape"),
                coding.decode("utf-8", "surrogateescape"),
                Labels(source="s"),
                _LIMITS,
            )
        except RequestRefused as refused:
            _check_refusal(refused)
            return
        assert 1 <= len(batch.documents) <= _LIMITS.documents
        for document in batch.documents:
            encode(document)


def _check_refusal(refused: RequestRefused) -> None:
    assert refused.status in (400, 413, 415)
    assert refused.reason
    json.dumps([refused.reason, *refused.errors])


_FEEDS = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>T</title><ttl>60</ttl><item>'
    "<guid>{0}</guid><title>{1}</title><link>/{0}</link><description>{2}</description>"
    "<pubDate>Mon, 06 Sep 2021 00:01:00 +0000</pubDate></item></channel></rss>",
    '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>{0}</id>'
    '<title type="html">{1}</title><updated>2026-01-01T00:00:00Z</updated>'
    '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">{2}</div></content>'
    "</entry></feed>",
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns="http://purl.org/rss/1.0/"><item rdf:about="{0}"><title>{1}</title>'
    "<description>{2}</description></item></rdf:RDF>",
)


class Feeds:
    """A fetched feed as items: documents, or an error."""

    share = 5

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        texts = [text_of(random, _TOKENS) for _ in range(3)]
        body = random.choice(_FEEDS).format(*texts).encode("utf-8", "replace")
        return random.choice((b"application/rss+xml", b"text/xml; charset=koi8-r", b"")), _bytes(
            random, body
        )

    def check(self, parts: Parts) -> None:
        content_type, body = (part or b"" for part in parts)
        fetched = Fetched(body, content_type.decode("latin-1"), "http://x/", None, None, 0)
        try:
            _, items = documents_of_feed(fetched, "http://x/")
        except SourceUnavailable:
            return
        for key, _, outcome in items:
            assert isinstance(key, str)
            key.encode()
            if isinstance(outcome, Document):
                encode(outcome)
            else:
                assert isinstance(outcome, PassedOver | SourceError)
