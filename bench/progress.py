"""Progress of a benchmark, on standard error: standard output is for its report."""

import sys


def say(line: str) -> None:
    """Print a line at once."""
    print(line, file=sys.stderr, flush=True)
