"""A report as a file."""

from pathlib import Path

from streams.data.files import whole_file
from streams.report.content import Report
from streams.report.figures.comparing import Comparison
from streams.report.page import page


def write_report(report: Report, file: Path, comparison: Comparison | None = None) -> None:
    """Write a page, or its data where the file's name ends in ``.json``.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written.
    """
    text = report.model_dump_json() if file.suffix == ".json" else page(report, comparison)
    with whole_file(file) as opened:
        opened.write(text.encode("utf-8", "replace"))
