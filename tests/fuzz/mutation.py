"""Mutations of bytes, of texts made of tokens, and of trees of values."""

import math
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.fuzz.target import LARGEST

_LARGE_SHARE = 0.01
_USUAL = 3_000

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    6,
    255,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63),
    -(2**63) - 1,
    10**30,
    0.0,
    -0.5,
    1e18,
    1e308,
    math.inf,
    -math.inf,
    math.nan,
    "",
    " ",
    "\0",
    "a\0b",
    "\ufeff",
    "\u2028",
    "\U0010ffff",
    "é",
    "NaN",
    "1",
    "text/html",
    "in_service",
    "../../etc",
    b"",
    b"\xff",
    [],
    {},
    [None],
    {"": None},
    {"id": {"id": {}}},
)
"""Values at the edges of what a field may hold."""


def size(random: Random) -> int:
    """How long an input becomes: seldom as long as it may be, because that takes time."""
    if random.random() < _LARGE_SHARE:
        return random.randrange(_USUAL, LARGEST)
    return random.randrange(1, _USUAL)


def damaged(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """``data`` after one to four changes: cut, flipped, spliced, repeated."""
    for _ in range(random.choice((1, 1, 2, 4))):
        data = _damage(random, data, others)
    return data


def _damage(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    end = min(len(data), at + random.choice((1, 2, 4, 16, 256)))
    match random.randrange(9):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[end:]
        case 2:
            flipped = bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1])
            return data[:at] + flipped + data[at + 1 :]
        case 3:
            return data[:at] + random.randbytes(end - at) + data[end:]
        case 4:
            return data[:at] + data[at:end] * random.choice((2, 3, 50)) + data[end:]
        case 5 if others:
            other = random.choice(others)
            return data[:at] + other[random.randrange(len(other) + 1) :]
        case 6:
            sign = random.choice((b"\0", b"\xff", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\n", b"\x80"))
            return data[:at] + sign + data[at:]
        case 7:
            return data[:at] + random.randbytes(4) + data[at + 4 :]
        case _:
            piece = data[at:end] or b"["
            return data[:at] + piece * (size(random) // len(piece)) + data[end:]


def text_of(random: Random, tokens: Sequence[str]) -> str:
    """A text of tokens: mixed, or few of them repeated, which shows superlinear parsers."""
    length = size(random)
    chosen = [random.choice(tokens) for _ in range(random.choice((1, 1, 2, 3)))]
    match random.randrange(4):
        case 0:
            pieces: list[str] = []
            while length > 0:
                pieces.append(random.choice(tokens))
                length -= len(pieces[-1]) or 1
            return "".join(pieces)
        case 1:
            piece = "".join(chosen) or " "
            return piece * (length // len(piece) + 1)
        case 2:
            share = length // len(chosen)
            return "".join(piece * (share // (len(piece) or 1) + 1) for piece in chosen)
        case _:
            piece, end = chosen[0] or " ", random.choice(tokens)
            rows = int((2 * length / len(piece)) ** 0.5)
            return "".join(piece * row + end for row in range(rows))


def odd_value(random: Random) -> Any:
    """A value that a field may not expect."""
    kind = random.randrange(12)
    if kind == 0:
        return nested(random)
    if kind == 1:
        return random.choice(("x", "wörter ", "\n", "a b ")) * random.choice((1, 300, size(random)))
    if kind == 2:
        return random.randrange(-(2**63), 2**64)
    return random.choice(ODD_VALUES)


def nested(random: Random) -> Any:
    """A list or a mapping in itself, as deep as parsers bear, or deeper."""
    depth = random.choice((3, 100, 450, 500, random.randrange(900, 1100)))
    value: Any = "x"
    as_list = random.random() < 0.5
    for _ in range(depth):
        value = [value] if as_list else {"id": value}
    return value


def altered(random: Random, value: Any) -> Any:
    """A tree of values with one to three changes at random places."""
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _alter(random, value)
    return value


def _alter(random: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        changed = dict(value)
        match random.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[random.choice(("new", "", key + "2", "id\0", "__class__"))] = value[key]
            case 2:
                changed[key] = odd_value(random)
            case _:
                changed[key] = _alter(random, value[key])
        return changed
    if isinstance(value, list | tuple) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        match random.randrange(4):
            case 0:
                return [*value[:at], *value[at + 1 :]]
            case 1:
                return [*value, *value]
            case _:
                return [*value[:at], _alter(random, value[at]), *value[at + 1 :]]
    return odd_value(random)
