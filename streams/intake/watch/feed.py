"""An RSS or Atom feed, whose new entries are fed."""

import hashlib
import html
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from schemas.errors import SourceUnavailable
from schemas.text import PassedOver, clean, is_blank, media_type_of
from streams.data.sources import Outcome
from streams.data.sources.columns import make_document
from streams.data.sources.stored import without_user
from streams.intake.watch.fed import Fed
from streams.intake.watch.fetching import Fetched, fetch
from streams.intake.watch.source import Item

_LONGEST_PAUSE = 86_400.0
_TAGS = re.compile(r"<[^>]*>")
_ETAG, _LAST_MODIFIED = "etag", "last-modified"


class Feed:
    """See Source. An entry is fed once, and again if its ``updated`` changes and its text did."""

    way = "feed"
    pending = False

    def __init__(self, address: str, *, seconds: float) -> None:
        """``seconds`` lie between two requests at least; the feed may ask for more."""
        self.name = without_user(address)
        self.pause = seconds
        self._address = address
        self._seconds = seconds
        self._fetched: Fetched | None = None

    def items(self, fed: Fed) -> Iterator[Item | PassedOver]:
        """See Source. The oldest entries come first."""
        self._fetched = fetched = fetch(self._address, fed.note(_ETAG), fed.note(_LAST_MODIFIED))
        if fetched is None:
            return
        asked, entries = documents_of_feed(fetched, self.name)
        self.pause = max(self._seconds, min(_LONGEST_PAUSE, max(fetched.max_age, asked)))
        for key, version, outcome in entries:
            if fed.version(key) != version:
                yield Item(key, version, partial(iter, (outcome,)))

    def looked(self, fed: Fed) -> None:
        """See Source. Only now the server may leave out what was fed."""
        if self._fetched is not None:
            fed.set_note(_ETAG, self._fetched.etag)
            fed.set_note(_LAST_MODIFIED, self._fetched.last_modified)


def documents_of_feed(
    fetched: Fetched, name: str
) -> tuple[float, Iterator[tuple[str, str, Outcome]]]:
    """The seconds that a feed wants between two requests, and its entries, the oldest first.

    An entry has a key, a version and its document. Raises SourceUnavailable where it is no feed.
    """
    parsed = _parsed(fetched, name)
    entries = reversed(parsed.get("entries", []))
    keyed = ((_key(entry), _version(entry), entry) for entry in entries)
    return 60 * _number(parsed.get("feed", {}).get("ttl")), (
        (key, version, _document(entry, key, name)) for key, version, entry in keyed
    )


def _parsed(fetched: Fetched, name: str) -> Any:
    """A feed as feedparser has it. Raises SourceUnavailable where it is none."""
    import feedparser  # Not for every source: it takes a moment to import.

    headers = {"content-type": fetched.content_type, "content-location": fetched.address}
    try:
        parsed = feedparser.parse(fetched.body, response_headers=headers)
    except Exception as error:  # whatever a foreign text makes of a parser
        raise SourceUnavailable(f"{name}: cannot be read as a feed: {error!r}") from error
    if not parsed.get("version") and not parsed.get("entries"):
        reason = parsed.get("bozo_exception") or "it is neither RSS nor Atom"
        raise SourceUnavailable(f"{name}: cannot be read as a feed: {reason}")
    return parsed


def _document(entry: Any, key: str, feed: str) -> Outcome:
    """The text of an entry: its content, or else its summary."""
    where = f"{feed}#{key}"
    text, media_type = _text(entry)
    if is_blank(text):
        return PassedOver(where, "entry without a text")
    title = dict.get(entry, "title")
    return make_document(
        clean(text),
        source=clean(str(dict.get(entry, "link") or "")) or where,
        where=where,
        media_type=media_type,
        title=clean(html.unescape(_TAGS.sub("", title)).strip()) or None if title else None,
    )


def _text(entry: Any) -> tuple[str, str]:
    """The longest text of an entry that is read, and its media type."""
    parts = [*(dict.get(entry, "content") or ()), dict.get(entry, "summary_detail") or {}]
    for chosen in (parts[:-1], parts[-1:]):
        texts = [
            (str(part.get("value") or ""), media_type)
            for part in chosen
            if (media_type := media_type_of(str(part.get("type") or "text/html")))
        ]
        if texts and not is_blank(max(texts, key=lambda one: len(one[0]))[0]):
            return max(texts, key=lambda one: len(one[0]))
    return "", "text/plain"


def _key(entry: Any) -> str:
    """What makes an entry itself: its id, else its link, else what it says."""
    # Not by attributes: feedparser takes another field for one that is not there, with a warning.
    given = dict.get(entry, "id") or dict.get(entry, "link")
    if given:
        return clean(str(given))
    said = f"{dict.get(entry, 'title')}\n{dict.get(entry, 'summary')}"
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()


def _version(entry: Any) -> str:
    return clean(str(dict.get(entry, "updated") or ""))


def _number(text: object) -> float:
    value = str(text or "").strip()
    return float(value[:9]) if value.isascii() and value.isdigit() else 0.0
