"""Which of the files that are found are read: globs to include and to exclude."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Choice:
    """Globs. One without a slash is compared with the name of a file and of each folder above it.

    One with a slash is compared with the end of the path. ``*`` stands for slashes, too.
    """

    include: Sequence[str] = ()
    """A file must match one of them. None: every file is included."""
    exclude: Sequence[str] = ()
    """A file must match none of them."""

    def refuse(self, file: PurePath) -> str | None:
        """Why a file is passed over, or None where it is read."""
        for glob in self.exclude:
            if _matches(file, glob):
                return f"excluded by {glob}"
        if self.include and not any(_matches(file, glob) for glob in self.include):
            return "not included"
        return None


EVERY_FILE = Choice()


def _matches(file: PurePath, glob: str) -> bool:
    if "/" not in glob:
        return any(fnmatchcase(name, glob) for name in file.parts)
    path = file.as_posix()
    glob = glob.removeprefix("./").removeprefix("**/")
    return fnmatchcase(path, glob) or fnmatchcase(path, f"*/{glob.lstrip('/')}")
