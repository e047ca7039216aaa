"""Names of files and messages as text."""

import os
from pathlib import PurePath


def name_of(where: object) -> str:
    r"""The name of a file or stream as text, in which bytes that are not UTF-8 stand as ``\xff``.

    Python represents such bytes by halves of surrogate pairs, which UTF-8 cannot hold.
    """
    name = str(where)
    if isinstance(where, PurePath | str) and not name.isascii():
        return readable(os.fsencode(name))
    return name


def readable(data: bytes) -> str:
    """Bytes that name something, as text: what is not UTF-8 and zero bytes become escapes."""
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
