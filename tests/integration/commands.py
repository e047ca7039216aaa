"""Running a command of ``backstream`` in this process."""

import contextlib
import io
import sys
from typing import NamedTuple
from unittest import mock

from streams.cli.main import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    text: str
    """Standard output and standard error."""


def backstream(*arguments: str, answers: str = "") -> Ended:
    """Run a command. ``answers`` is its standard input."""
    text = io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["backstream", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO(answers)),
        contextlib.redirect_stdout(text),
        contextlib.redirect_stderr(text),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return Ended(code if isinstance(code, int) else 1 if code else 0, text.getvalue())
