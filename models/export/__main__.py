"""``python -m models.export SOURCE DESTINATION``: writes a release directory's graphs.

Progress goes to stdout, a line every few seconds; an error is the last line of stderr.
"""

import argparse
import functools
import sys
from pathlib import Path

from models.child_process import end_with_parent
from models.export.export import export
from schemas.errors import BackstreamError


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.export", description=__doc__)
    parser.add_argument("source", help="a checkpoint's directory, a hub id, or house")
    parser.add_argument("destination", type=Path, help="the directory to write")
    arguments = parser.parse_args()
    end_with_parent()
    try:
        export(arguments.source, arguments.destination, report=functools.partial(print, flush=True))
    except BackstreamError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{arguments.destination} cannot be written: {error.strerror or error}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
