"""Writes the reference: ``python -m documentation.reference``; ``--check`` compares it instead."""

import sys
from collections.abc import Callable
from pathlib import Path

from documentation.reference import command_line, records, settings, topics
from schemas.generate import file_of, json_schema
from schemas.records import RECORDS
from streams.stages import metrics

_DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[Path, Callable[[], str]] = {
    _DOCS / "reference" / "commands.md": command_line.page,
    _DOCS / "reference" / "settings.md": settings.page,
    _DOCS / "reference" / "topics.md": topics.page,
    _DOCS / "reference" / "records.md": records.page,
    _DOCS / "metrics.md": metrics.as_markdown,
}


def stale() -> list[str]:
    """The files that are not what the code gives, as paths below the root."""
    made = {file: page() for file, page in PAGES.items()}
    made |= {file_of(record): json_schema(record) for record in RECORDS}
    return [
        file.relative_to(_DOCS.parent).as_posix()
        for file, text in made.items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the pages, or name those that are not current. Returns the exit code."""
    if "--check" in sys.argv[1:]:
        if files := stale():
            print(
                f"not made from this code: {', '.join(files)}; run `make reference`",
                file=sys.stderr,
            )
        return 1 if files else 0
    for file, page in PAGES.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
