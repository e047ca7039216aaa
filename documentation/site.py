"""Builds the site: ``python -m documentation.site``, into ``build/site``, without a network.

The pages link to each other, and to files of the repository, as they lie there. The site is built
from a copy of the pages and of what they link to, so a link works in both.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from documentation.links import faults
from schemas.errors import BackstreamError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "build" / "site-source"
SITE = ROOT / "build" / "site"
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"\s]+)\"")


class SiteError(BackstreamError):
    """The site cannot be built as it is. The message has a fault a line."""


def pages() -> list[Path]:
    """The Markdown files that are pages."""
    return sorted(
        [
            *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")),
            ROOT / "CONTRIBUTING.md",
            *(ROOT / "docs").rglob("*.md"),
            *(ROOT / "infra").glob("*.md"),
            *(ROOT / "models").glob("*/CARD.md"),
        ]
    )


def linked_files(page: Path) -> Iterator[Path]:
    """Yield the files of the repository that a page links to or shows."""
    for found in _LINK.finditer(page.read_text(encoding="utf-8")):
        target = (found[1] or found[2]).partition("#")[0]
        if target and "://" not in target and (file := (page.parent / target).resolve()).is_file():
            yield file


def copy(files: Iterable[Path]) -> None:
    """Copy files to the source of the site, each to its place in the repository."""
    for file in files:
        there = SOURCE / file.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, there)


def build() -> None:
    """Build the site. Raises SiteError for a warning of the builder and for a broken link."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    found = pages()
    copy({*found, *(file for page in found for file in linked_files(page))})
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if built.returncode:
        raise SiteError(f"zensical: {built.stdout}{built.stderr}")
    if broken := list(faults(SITE)):
        raise SiteError("\n".join(broken))


def main() -> int:
    """Build the site and say where it is. Returns the exit code."""
    try:
        build()
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{SITE.relative_to(ROOT)}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
