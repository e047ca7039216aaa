"""What ``audit`` prints."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from streams.cli.console import printable
from streams.observe.audit import Audit, StageAccount
from streams.quantities import as_count
from streams.stages.topology import SEGMENTER

_NAMED = 20
"""Most ids or messages of a kind that are named in the text. JSON has them all."""


def as_report(audit: Audit) -> dict[str, Any]:
    """Return the audit as ``audit --json`` prints it."""
    return {
        "complete": audit.complete,
        "passages": audit.passages,
        "examples": audit.examples,
        "stages": [asdict(account) for account in audit.stages],
        "deleted_unread": [asdict(one) for one in audit.deleted_unread],
        "unreadable": {
            "total": audit.unreadable.total,
            "topics": audit.unreadable.counts,
            "messages": [one._asdict() for one in audit.unreadable.named],
        },
        "rejections": {
            f"{stage}.{reason}": count for (stage, reason), count in audit.rejections.items()
        },
    }


def as_text(audit: Audit) -> str:
    """Return the audit as lines for a terminal."""
    return "\n".join(printable(line) for line in _lines(audit))


def _lines(audit: Audit) -> Iterator[str]:
    for account in audit.stages:
        yield from _account_lines(account)
    yield f"curated holds {as_count(audit.examples, 'example')}"
    refused = Counter[str]()
    for (stage, _), count in audit.rejections.items():
        refused[stage] += count
    yield (
        f"segments holds {as_count(audit.passages, 'passage')}, each counted once; the segmenter "
        f"refused {refused[SEGMENTER.name]:,}"
    )
    if audit.rejections:
        yield "refusals by reason; an id may have several, one for each passage or sample:"
    for (stage, reason), count in sorted(audit.rejections.items()):
        share = count / refused[stage]
        yield f"refused by {stage}: {reason} {count:,}, {share:.1%} of its refusals"
    for one in audit.deleted_unread:
        yield (
            f"lost: {as_count(one.count, 'message')} of {one.topic}/{one.partition}, from offset "
            f"{one.first} on, deleted by its retention before the {one.stage} had processed them"
        )
    if audit.unreadable.total:
        yield f"{as_count(audit.unreadable.total, 'message')} cannot be read, and prove nothing:"
        found = [f"{one}: {one.reason}" for one in audit.unreadable.named[:_NAMED]]
        yield from _named("", found, audit.unreadable.total)
    yield _verdict(audit)


def _account_lines(account: StageAccount) -> Iterator[str]:
    unproved = f" + {len(account.unproved):,} unproved" if account.unproved else ""
    yield (
        f"{account.stage:10} {account.ids:>8,} ids = {account.followed:,} passed on + "
        f"{account.rejected:,} refused + {account.dead:,} dead + "
        f"{account.in_flight:,} in flight{unproved} + {len(account.lost):,} lost"
    )
    yield from _named("lost: ", account.lost, len(account.lost))
    yield from _named("unproved: ", account.unproved, len(account.unproved))


def _named(label: str, names: Sequence[str], count: int) -> Iterator[str]:
    for name in names[:_NAMED]:
        yield f"  {label}{name}"
    if count > _NAMED:
        yield f"  and {count - _NAMED:,} more; --json has them"


def _verdict(audit: Audit) -> str:
    lost = sum(len(account.lost) for account in audit.stages)
    deleted = sum(one.count for one in audit.deleted_unread)
    unproved = sum(len(account.unproved) for account in audit.stages)
    expired = sum(account.expired for account in audit.stages)
    limits = []
    if unproved:
        limits.append(f"{as_count(unproved, 'id')} whose outcome retention may have deleted")
    if expired:
        limits.append(f"{as_count(expired, 'message')} that were processed and then deleted")
    beyond = f"; not proved: {' and '.join(limits)}" if limits else ""
    if audit.complete:
        return f"complete: every id that the topics hold is accounted for{beyond}"
    return (
        f"LOST: {as_count(lost, 'id')}, and {as_count(deleted, 'message')} deleted unread{beyond}"
    )
