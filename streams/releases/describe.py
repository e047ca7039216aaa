"""A release as text for people."""

from pathlib import Path

from models.releases.release import REPORT
from schemas.records import Release


def describe_release(release: Release) -> str:
    """A release in a few lines: metrics beside its parent's, bootstrap intervals, verdict."""
    lines = [
        f"release {release.id} ({release.status}), trained from {release.base} on "
        f"{release.examples:,} examples"
    ]
    lines[0] += f" curated under {release.parent} and {release.seeds:,} seeds"
    lines.append(
        f"  {'held-out metric':22} {'release':>9} {'parent':>9} {'change':>9}  95% interval"
    )
    for name, value in sorted(release.metrics.items()):
        lines.append(
            f"  {name:22} {value:>9.3f} "
            f"{release.parent_metrics.get(name, float('nan')):>9.3f}{_change(release, name)}"
        )
    if "nll" in release.intervals:
        lines.append(f"  {'nll (mean of both)':22} {'':19}{_change(release, 'nll')}")
    if release.reason:
        lines.append(f"  when it was trained: {release.reason}")
    lines.append(f"  in {release.location}")
    if (report := Path(release.location) / REPORT).is_file():
        lines.append(f"  report in {report}")
    return "\n".join(lines)


def _change(release: Release, name: str) -> str:
    if name not in release.intervals:
        return ""
    change, low, high = release.intervals[name]
    return f" {change:>+9.3f}  {low:+.3f} to {high:+.3f}"
