"""A release as text for people."""

from models.releases.release import REPORT
from models.releases.store import ReleaseStore
from schemas.errors import ModelError
from schemas.release import Release
from streams.quantities import as_count


def describe_release(release: Release, store: ReleaseStore) -> str:
    """A release in a few lines: metrics beside its parent's, bootstrap intervals, verdict."""
    lines = [
        f"release {release.id} ({release.status.in_words}), trained from {release.base} "
        f"on {as_count(release.examples, 'example')}"
    ]
    lines[0] += f" curated under {release.parent} and {as_count(release.seeds, 'seed')}"
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
    lines.append(f"  {_signature(release, store)}")
    directory = store.path(release.id)
    if directory.is_dir():
        lines.append(f"  in {directory.absolute()}")
    else:
        lines.append(
            f"  not in {store.directory.absolute()}; the trainer's is {release.location!r}"
        )
    if (report := directory / REPORT).is_file():
        lines.append(f"  report in {report.absolute()}")
    return "\n".join(lines)


def signed_by(release: Release, store: ReleaseStore) -> str | None:
    """The public key that a release here is signed with; None if it is not signed, or not here.

    Raises ModelError for a signature that is wrong.
    """
    return store.signer(release.id) if store.path(release.id).is_dir() else None


def _signature(release: Release, store: ReleaseStore) -> str:
    try:
        public = signed_by(release, store)
    except ModelError as error:
        return f"WRONGLY SIGNED: {error}"
    if public is None:
        return "not signed, or not here"
    if not store.trusted:
        return f"signed with {public}; releases.trusted_keys is empty"
    known = "trusted" if public in store.trusted else "NOT in releases.trusted_keys"
    return f"signed with {public}, {known}"


def _change(release: Release, name: str) -> str:
    if name not in release.intervals:
        return ""
    change, low, high = release.intervals[name]
    return f" {change:>+9.3f}  {low:+.3f} to {high:+.3f}"
