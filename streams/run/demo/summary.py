"""What ``backstream demo`` prints at its end."""

import textwrap
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from agents.figures import as_score
from models.releases.store import ReleaseStore
from schemas.records import Example
from schemas.release import Release
from streams.observe.audit import Audit
from streams.observe.mix import MixTally
from streams.quantities import as_count
from streams.releases.describe import describe_release
from streams.releases.rerating import Rerating
from streams.run.demo.best import best, excerpt

_SHOWN = 3
_INDENT = " " * 8
_WIDTH = 96


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """What a demo did."""

    documents: int
    """Documents on their topic, those of an earlier demo included."""
    account: Audit
    written: Mapping[str, int]
    """Candidates by category."""
    mix: MixTally | None
    """The categories of the examples. None where none has one."""
    examples: list[Example]
    releases: list[Release]
    served: str
    """Id of the release that the worker serves at the end."""
    rerating: Rerating | None
    """The re-rating by that release. None where the base has served throughout."""
    kept_before: Set[str]
    """Ids of the examples that were kept before the re-rating."""
    first_curated: float | None
    """Seconds until the first curated example was there."""
    seconds: float
    """Duration of the demo."""


def summary(outcome: DemoOutcome, output: Path, store: ReleaseStore) -> str:
    """The outcome as text. ``output`` is the file that the curated set was written to."""
    account, examples, releases = outcome.account, outcome.examples, outcome.releases
    lines = [
        "",
        f"{as_count(outcome.documents, 'document')}, every id accounted for"
        if account.complete
        else "IDS WERE LOST: see `backstream audit`",
    ]
    lines += [
        f"  {s.stage:10} {s.ids:>6,} in = {s.followed:,} passed on + {s.rejected:,} refused + "
        f"{s.dead:,} dead"
        for s in account.stages
    ]
    lines += [
        f"  refused by {stage}: {reason} {count:,}"
        for (stage, reason), count in sorted(account.rejections.items())
    ]
    lines += _categories(outcome)
    lines += [
        "",
        as_count(len(examples), "curated example") + ("; the best three:" if examples else ""),
    ]
    for example in best(examples, _SHOWN):
        score = as_score(example.rating.score) if example.rating else "seed"
        lines += [
            f"  {score}  {example.instruction}",
            *textwrap.wrap(
                excerpt(example.response),
                width=_WIDTH,
                initial_indent=_INDENT,
                subsequent_indent=_INDENT,
            ),
            f"{_INDENT}from {example.provenance.source}",
        ]
    lines.append("")
    if releases:
        lines.append(describe_release(releases[-1], store))
        served = f"loaded and deployed: {outcome.served}"
        lines.append(
            f"  {served}"
            if outcome.served == releases[-1].id
            else f"  loaded and verified, kept back; {served}"
        )
        if outcome.rerating is not None:
            before, kept = outcome.kept_before, {example.id for example in examples}
            lines.append(
                f"  it rated {as_count(outcome.rerating.done, 'candidate')} again: "
                f"{as_count(len(before & kept), 'example')} stayed, "
                f"{len(before - kept):,} were taken back, "
                f"{len(kept - before):,} came in"
            )
    else:
        lines.append(f"no release: nothing new to train on; deployed: {outcome.served}")
    first = (
        f"the first curated example after {outcome.first_curated:.0f} s, "
        if outcome.first_curated is not None
        else ""
    )
    lines += [
        "",
        f"{first}all of it in {outcome.seconds:.0f} s",
        f"the curated set: {output}",
    ]
    return "\n".join(lines)


def _categories(outcome: DemoOutcome) -> list[str]:
    """What was written and what was kept of each category, and how much of it has a context."""
    mix = outcome.mix
    if mix is None:
        return []
    lines = ["", f"{'category':24}{'written':>8}{'curated':>9}{'share':>7}{'wanted':>8}"]
    lines += [
        f"  {name:22}{outcome.written.get(name, 0):>8,}{one.examples:>9,}{one.share:>7.0%}"
        f"{one.wanted:>8.0%}"
        for name, one in mix.categories.items()
    ]
    share = mix.with_context / mix.examples
    lines.append(f"  {mix.with_context:,} of {mix.examples:,} curated have a context ({share:.0%})")
    return lines
