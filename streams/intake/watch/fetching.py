"""Fetching a feed by HTTP: conditionally, of bounded size, and no oftener than its server asks."""

import asyncio
import email.utils
import io
import math
import re
import time
from collections.abc import Mapping
from typing import NamedTuple, cast

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, hdrs

from schemas.errors import SourceError, SourceUnavailable
from schemas.text import decompressed
from streams.data.sources.stored import without_user

_MOST_BYTES = 8 * 1024 * 1024
_TIMEOUT = ClientTimeout(total=60, connect=15)
_MOST_REDIRECTS = 5
_AGENT = "Backstream (feed reader)"
_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
)
_NOT_MODIFIED, _GONE = 304, 410
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d+)")


class Fetched(NamedTuple):
    """A feed as its server sent it."""

    body: bytes
    content_type: str
    address: str
    """Where it was found, after redirects."""
    etag: str | None
    last_modified: str | None
    max_age: float
    """Seconds for which it need not be asked for again."""


def fetch(address: str, etag: str | None, last_modified: str | None) -> Fetched | None:
    """A feed, or None where it has not changed since the answer that had these two headers.

    Raises SourceUnavailable, with the seconds to wait where the server names them.
    """
    headers = {"User-Agent": _AGENT, "Accept": _ACCEPT, "Accept-Encoding": "gzip"}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    shown = without_user(address)
    try:
        return asyncio.run(_fetch(address, headers))
    except TimeoutError as error:
        raise SourceUnavailable(f"{shown}: no answer in time") from error
    except (ClientError, OSError, ValueError) as error:
        raise SourceUnavailable(f"{shown}: cannot be fetched: {error}") from error


async def _fetch(address: str, headers: Mapping[str, str]) -> Fetched | None:
    async with (
        ClientSession(timeout=_TIMEOUT, auto_decompress=False, trust_env=True) as session,
        session.get(address, headers=headers, max_redirects=_MOST_REDIRECTS) as response,
    ):
        if response.status == _NOT_MODIFIED:
            return None
        if response.status >= 300:
            raise SourceUnavailable(
                f"{without_user(address)}: its server answers {response.status} {response.reason}",
                math.inf
                if response.status == _GONE
                else retry_after(response.headers, time.time()),
            )
        return Fetched(
            await _body(response, without_user(address)),
            response.headers.get(hdrs.CONTENT_TYPE, ""),
            str(response.url),
            response.headers.get(hdrs.ETAG),
            response.headers.get(hdrs.LAST_MODIFIED),
            _max_age(response.headers),
        )


async def _body(response: ClientResponse, name: str) -> bytes:
    """The body, decompressed. Raises SourceUnavailable where it is too large or damaged."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > _MOST_BYTES:
            break
        parts.append(part)
    try:
        raw: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, io.BytesIO(b"".join(parts))))
        body = decompressed(raw, name, lambda _: None).read(_MOST_BYTES + 1)
    except SourceError as error:
        raise SourceUnavailable(str(error)) from error
    if max(size, len(body)) > _MOST_BYTES:
        raise SourceUnavailable(f"{name}: the feed has more than {_MOST_BYTES:,} bytes")
    return body


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that ``Retry-After`` names, as a number or as a date; 0 without it."""
    value = headers.get(hdrs.RETRY_AFTER, "").strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), 7 * 86400))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _max_age(headers: Mapping[str, str]) -> float:
    found = _MAX_AGE.search(headers.get(hdrs.CACHE_CONTROL, ""))
    return float(found[1][:9]) if found else 0.0
