"""What a command that writes to a topic prints at its end."""

import json

from streams.cli.console import notice
from streams.cli.exit_codes import end
from streams.data.feed import FeedReport
from streams.data.tally import Tally
from streams.quantities import as_count


def finish(report: FeedReport, tally: Tally, noun: str, as_json: bool) -> None:
    """Print the report. ``noun`` is one of what was sent.

    Raises Exit if something could not be read, or if nothing was there.
    """
    head, space, rest = noun.partition(" ")
    if as_json:
        counts = {
            f"{head}s{space}{rest}": report.written,
            "bytes": report.bytes,
            "failed": report.failed,
        }
        if report.decided is not None:
            counts["decided"] = report.decided
        print(json.dumps({**counts, "errors": report.errors, **tally.as_dict()}))
    else:
        for line in tally.lines():
            notice(line)
        for error in report.errors:
            notice(error)
        if report.failed > len(report.errors):
            notice(f"and {report.failed - len(report.errors):,} more")
        if report.decided:
            notice(
                f"{as_count(report.decided, head)} left out, about which people have decided: "
                "`backstream decisions` lists them, and `undo` takes a decision back"
            )
        failed = f", {report.failed:,} could not be read" if report.failed else ""
        sent = f"{as_count(report.written, head)}{space}{rest}"
        megabytes = f"{report.bytes / 1e6:,.1f} MB"
        print(f"{sent} ({megabytes}) acknowledged by the broker{failed}")
    end(report.written + (report.decided or 0), report.failed)
