"""What follows from an answer that is no result: a status, a Retry-After, a text for people."""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from schemas.errors import (
    BackstreamError,
    PromptTooLong,
    RemoteError,
    RemoteMissing,
    RemoteUnavailable,
)

_BUSY = frozenset({408, 425, 429, 502, 503, 504})
"""The server, or what stands before it, cannot answer now."""
_MISSING = frozenset({404, 405, 501})
"""The path or the model."""
_UNUSABLE = frozenset({402, 407})
"""The account or a proxy is at fault, and no record."""
_KEY = frozenset({401, 403})
"""The text of such an answer is not shown: it may repeat a part of the key."""
_LONGEST_WAIT = 3600.0
_LONGEST_DETAIL = 300
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window)|maximum context|prompt is too long|exceeds? the "
    r"(available |model'?s? )?(context|maximum)|string_above_max_length",
    re.IGNORECASE,
)


ANSWERED, BUSY, FAILED, REFUSED, LOST = "answered", "busy", "failed", "refused", "lost"
"""What becomes of a request. Busy: the server asks to come again. Failed: it cannot be reached, or
its answer is an error or cannot be used. Refused: it does not take the request. Lost: the answer
did not come, or not in time.
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request without an answer that can be used."""

    error: BackstreamError
    """What to raise."""
    outcome: str
    passing: bool
    """Whether the same request may be answered later."""
    wait: float | None = None
    """Seconds that the server asks to wait."""
    charged: bool = False
    """Whether the server may have done the work, or has counted it."""


def refusal_of(status: int, headers: Mapping[str, str], body: bytes, name: str) -> Refusal:
    """Judge an answer of the server ``name`` by its status and its text."""
    says = f"{name} answered {status}"
    if status in _KEY:
        advice = "check its key in the environment, BACKSTREAM_REMOTE_KEY"
        return Refusal(RemoteUnavailable(f"{says}: {advice}"), REFUSED, passing=False)
    if detail := _detail(body):
        says += f": {detail}"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (status < 500 and _is_too_long(body)):
        return Refusal(PromptTooLong(says), REFUSED, passing=False)
    if status in _MISSING:
        return Refusal(RemoteMissing(says), REFUSED, passing=False)
    if status in _UNUSABLE or status < 400:
        return Refusal(RemoteUnavailable(says), REFUSED, passing=False)
    wait = retry_after(headers.get("Retry-After"))
    if status in _BUSY:
        return Refusal(RemoteUnavailable(says), BUSY, passing=True, wait=wait)
    failed = status >= 500
    return Refusal(RemoteError(says), FAILED if failed else REFUSED, passing=failed, wait=wait)


def retry_after(value: str | None) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date; None where it is neither.

    At most an hour.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _LONGEST_WAIT)


def _detail(body: bytes) -> str:
    """What the body of an error says, in one short line; empty where it says nothing."""
    text = body[:4096].decode("utf-8", "replace")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, Mapping):
        error = found.get("error", found)
        messages = (
            error.get("message") if isinstance(error, Mapping) else error,
            found.get("message"),
            found.get("detail"),
        )
        text = next((each for each in messages if isinstance(each, str)), text)
    line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(line.split())[:_LONGEST_DETAIL]


def _is_too_long(body: bytes) -> bool:
    """Whether an error says that the prompt does not fit the model's context window."""
    return _TOO_LONG.search(body[:4096].decode("utf-8", "replace")) is not None
