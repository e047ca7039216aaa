"""Kafka messages as inputs: key, value, then names and values of headers in turn."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import msgpack

from schemas.record import Record
from streams.kafka.messages import Received
from tests.fuzz.mutation import altered, damaged
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts

_DEEP = "\x01deep\x01"
_RECORDS = tuple(VALUES)


def message(random: Random, record: type[Record]) -> Parts:
    """A message of a record, with its value, its key or its headers changed."""
    value = VALUES[record](random)
    if random.random() < 0.7:
        value = altered(random, value)
    as_json = random.random() < 0.4
    data: bytes | None = to_json(value) if as_json else to_msgpack(random, value)
    if random.random() < 0.4:
        others = [to_msgpack(random, VALUES[random.choice(_RECORDS)](random))]
        data = damaged(random, data or b"", others)
    if random.random() < 0.01:
        data = None
    key = random.choice((b"x", b"r-1a2b3c4d", None, b"", b"\xff"))
    schema = f"{record.name}/{record.version}".encode()
    headers: list[tuple[bytes, bytes | None]] = [
        (b"schema", schema),
        (b"content-type", b"application/json" if as_json else b"application/msgpack"),
    ]
    if random.random() < 0.2:
        headers = odd_headers(random, headers)
    return (key, data, *(part for pair in headers for part in pair))


def odd_headers(
    random: Random, headers: Sequence[tuple[bytes, bytes | None]]
) -> list[tuple[bytes, bytes | None]]:
    """Headers with one of them changed, doubled or left out."""
    changed = list(headers)
    at = random.randrange(len(changed))
    name, value = changed[at]
    match random.randrange(6):
        case 0:
            del changed[at]
        case 1:
            changed[at] = (name, None)
        case 2:
            changed[at] = (name, damaged(random, value or b""))
        case 3:
            changed[at] = (name.upper(), value)
        case 4:
            changed.append((name, random.choice((b"", b"example/2", b"application/json; x=y"))))
        case _:
            changed.append((damaged(random, name), random.randbytes(4)))
    return changed


def received(parts: Parts, topic: str = "documents", offset: int = 0) -> Received:
    """The message of an input. Of a header's name, only what is UTF-8 can arrive."""
    key, value, *rest = parts
    names = [(name or b"").decode("utf-8", "ignore") for name in rest[::2]]
    headers: Any = list(zip(names, rest[1::2], strict=False))
    return Received(topic, 0, offset, key, value, headers)


def several(parts: Parts) -> list[Parts]:
    """The messages of an input, each led by the number of its parts."""
    found: list[Parts] = []
    at = 0
    while at < len(parts):
        count = int(parts[at] or b"0") if (parts[at] or b"").isdigit() else 0
        if count < 2:
            break
        one = (*parts[at + 1 : at + 1 + count], None, None)
        found.append(one if len(one) == 4 else one[:-2])
        at += 1 + count
    return found


def to_json(value: Any) -> bytes:
    """JSON, at any depth, with what JSON does not know as text."""
    with _deep():
        return json.dumps(value, default=repr, ensure_ascii=len(str(value)) % 2 == 0).encode(
            "utf-8", "replace"
        )


def to_msgpack(random: Random, value: Any) -> bytes:
    """Msgpack; a value that it cannot hold becomes an array in itself, hundreds deep."""
    with _deep():
        packed: bytes = msgpack.packb(_shallow(value))
    if random.random() < 0.01:
        packed = packed.replace(b"\xa1x", msgpack.packb(_DEEP), 1)
    depth = random.choice((100, 500, 1000, 5000))
    return packed.replace(msgpack.packb(_DEEP), b"\x91" * depth + b"\x01")


def _shallow(value: Any, depth: int = 0) -> Any:
    if depth > 50 or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        return _DEEP
    if isinstance(value, dict):
        return {key: _shallow(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shallow(inner, depth + 1) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


@contextmanager
def _deep() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
