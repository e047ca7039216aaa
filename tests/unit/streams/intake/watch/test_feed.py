"""RSS and Atom feeds from a local server: new entries once, conditional requests, back-off."""

import gzip
import http.server
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import SourceError, SourceUnavailable
from schemas.records import Document
from schemas.text import PassedOver
from streams.intake.watch.fed import Fed
from streams.intake.watch.feed import Feed
from streams.intake.watch.fetching import retry_after
from streams.intake.watch.source import Item

Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers every request with ``answer``, or 304 where the request has its ETag or time."""

    def __init__(self) -> None:
        self.answer: Answer = (404, {}, b"")
        self.requests: list[dict[str, str]] = []
        self.respond: Callable[[str], Answer | None] = lambda _: None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append(given)
                status, headers, body = outer.respond(self.path) or outer.answer
                if (given.get("if-none-match"), given.get("if-modified-since")) != (None, None):
                    same = given.get("if-none-match") == headers.get("ETag")
                    status, body = (304, b"") if same else (status, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/feed.xml"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def fed(tmp_path: Path) -> Iterator[Fed]:
    with Fed(tmp_path, "", "feed", "cluster") as made:
        yield made


def rss(*entries: str, more: str = "") -> bytes:
    return (
        '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>'
        f"<link>https://example.org/</link>{more}{''.join(entries)}</channel></rss>"
    ).encode()


def item(number: int, text: str = "", **fields: str) -> str:
    more = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return (
        f"<item><guid>id-{number}</guid><title>Title {number}</title>"
        f"<link>https://example.org/{number}</link>"
        f"<description>{text or f'Text {number}.'}</description>{more}</item>"
    )


def look(feed: Feed, fed: Fed) -> list[Document | PassedOver | SourceError]:
    """Feed what a look finds, and return it."""
    found = []
    for one in feed.items(fed):
        assert isinstance(one, Item)
        for outcome in one.read():
            assert not isinstance(outcome, Document) or not fed.has(outcome.id)
            found.append(outcome)
            if isinstance(outcome, Document):
                fed.finish([outcome.id])
        fed.complete(one.key, one.version)
    feed.looked(fed)
    return found  # type: ignore[return-value]


def test_new_entries_are_fed_once_the_oldest_first(server, fed):
    server.answer = (200, {"content-type": "application/rss+xml"}, rss(item(2), item(1)))
    feed = Feed(server.address, seconds=900)
    one, two = look(feed, fed)
    assert isinstance(one, Document)
    assert isinstance(two, Document)
    assert (one.source, one.title, one.text) == ("https://example.org/1", "Title 1", "Text 1.")
    assert one.media_type == "text/html"
    assert two.source == "https://example.org/2"
    assert look(feed, fed) == []
    server.answer = (200, {}, rss(item(3), item(2, "The text was mended."), item(1)))
    assert [one.source for one in look(Feed(server.address, seconds=1), fed)] == [  # type: ignore[union-attr]
        "https://example.org/3"
    ]


def test_etag_and_last_modified_are_sent_once_everything_is_fed(server, fed):
    headers = {"ETag": '"v1"', "Last-Modified": "Mon, 06 Sep 2021 00:01:00 GMT"}
    server.answer = (200, headers, rss(item(1)))
    feed = Feed(server.address, seconds=900)
    assert len([*feed.items(fed)]) == 1  # killed before it was fed
    again = Feed(server.address, seconds=900)
    assert len(look(again, fed)) == 1
    assert "if-none-match" not in server.requests[1]
    assert look(Feed(server.address, seconds=900), fed) == []
    assert server.requests[2]["if-none-match"] == '"v1"'
    assert server.requests[2]["if-modified-since"] == "Mon, 06 Sep 2021 00:01:00 GMT"


def test_an_atom_entry_whose_updated_changes_is_read_again(server, fed):
    def atom(updated: str, text: str) -> bytes:
        return (
            '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><id>f</id><entry>'
            f"<id>urn:1</id><title type='html'>A &amp;lt;b&gt;</title><updated>{updated}</updated>"
            "<link href='/one'/><summary>short</summary>"
            f"<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>{text}</p></div>"
            "</content></entry></feed>"
        ).encode()

    feed = Feed(server.address, seconds=900)
    server.answer = (200, {}, atom("2026-01-01T00:00:00Z", "First."))
    [first] = look(feed, fed)
    assert isinstance(first, Document)
    assert "First." in first.text
    assert "short" not in first.text
    assert first.source == server.address.replace("feed.xml", "one")
    server.answer = (200, {}, atom("2026-01-02T00:00:00Z", "Second."))
    [second] = look(feed, fed)
    assert isinstance(second, Document)
    assert "Second." in second.text


def test_entries_without_an_id_or_a_text(server, fed):
    entries = (
        "<item><title>Only a title</title></item><item><description>Bare.</description></item>"
    )
    server.answer = (200, {}, rss(entries))
    bare, title = look(Feed(server.address, seconds=900), fed)
    assert isinstance(title, PassedOver)
    assert isinstance(bare, Document)
    assert bare.source.startswith(f"{server.address}#")
    assert look(Feed(server.address, seconds=900), fed) == []


def test_charsets_and_compression(server, fed):
    body = rss(item(1, "привет")).decode().replace("?>", ' encoding="windows-1251"?>', 1)
    server.answer = (
        200,
        {"Content-Encoding": "gzip", "content-type": "text/xml"},
        gzip.compress(body.encode("cp1251")),
    )
    [one] = look(Feed(server.address, seconds=900), fed)
    assert isinstance(one, Document)
    assert one.text == "привет"


def test_a_feed_is_not_asked_for_oftener_than_it_wants(server, fed):
    feed = Feed(server.address, seconds=60)
    server.answer = (200, {}, rss(item(1)))
    look(feed, fed)
    assert feed.pause == 60
    server.answer = (200, {"Cache-Control": "public, max-age=600"}, rss(item(1)))
    look(feed, fed)
    assert feed.pause == 600
    server.answer = (200, {}, rss(item(1), more="<ttl>120</ttl>"))
    look(feed, fed)
    assert feed.pause == 7200
    server.answer = (200, {"Cache-Control": "max-age=99999999999999"}, rss(item(1)))
    look(feed, fed)
    assert feed.pause == 86_400


@pytest.mark.parametrize(
    ("answer", "message", "seconds"),
    [
        ((503, {"Retry-After": "120"}, b""), "503", 120),
        ((429, {}, b""), "429", 0),
        ((404, {}, b"no"), "404", 0),
        ((410, {}, b"gone"), "410", math.inf),
        ((200, {}, b"<html><body>no feed</body></html>"), "cannot be read as a feed", 0),
        ((200, {}, b""), "cannot be read as a feed", 0),
        ((200, {}, b"\0\1\2" * 99), "cannot be read as a feed", 0),
        ((200, {}, gzip.compress(b"x" * 99)[:-9]), "cut short", 0),
        ((200, {}, gzip.compress(b" " * (17 << 20))), "more than 8,388,608 bytes", 0),
        ((302, {"Location": "/feed.xml"}, b""), "cannot be fetched", 0),
        ((302, {"Location": "file:///etc/passwd"}, b""), "cannot be fetched", 0),
    ],
)
def test_what_is_no_feed_is_unavailable(server, fed, answer, message, seconds):
    server.answer = answer
    with pytest.raises(SourceUnavailable, match=message) as raised:
        list(Feed(server.address, seconds=900).items(fed))
    assert raised.value.seconds == seconds


def test_nothing_listens(fed):
    with pytest.raises(SourceUnavailable, match=r"http://127\.0\.0\.1:1/"):
        list(Feed("http://ada:s3cret@127.0.0.1:1/", seconds=900).items(fed))


def test_entities_do_not_multiply(server, fed):
    levels = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "aaaaaaaaaa"}">' for n in range(9)
    )
    body = rss(item(1, "&e8;")).replace(b"?>", b"?><!DOCTYPE rss [" + levels.encode() + b"]>", 1)
    server.answer = (200, {}, body)
    try:
        found = look(Feed(server.address, seconds=900), fed)
    except SourceUnavailable:
        return
    assert all(len(one.text) < 10_000 for one in found if isinstance(one, Document))


def test_a_feed_that_has_moved_is_followed(server, fed):
    server.respond = lambda path: (
        None if path == "/new.xml" else (301, {"Location": "/new.xml"}, b"")
    )
    server.answer = (200, {}, rss(item(1)))
    assert len(look(Feed(server.address, seconds=900), fed)) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("-7", 0),
        ("soon", 0),
        ("9" * 99, 7 * 86400),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value, seconds):
    assert retry_after({"Retry-After": value}, now=10) == seconds
