"""The exit code of a command that takes in many things, such as the documents of files.

0 where all of them were taken in, ``PARTLY`` where some were left out, 1 where none was taken in.
"""

import typer

FAILED = 1
PARTLY = 3
"""2 is a wrong usage, as of most commands of Unix."""


def end(done: int, left_out: int) -> None:
    """Return where all was done. Raises Exit: ``PARTLY`` where a part was, else ``FAILED``."""
    if left_out or not done:
        raise typer.Exit(PARTLY if done else FAILED)
