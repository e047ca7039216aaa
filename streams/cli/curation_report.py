"""What ``curate --dry-run`` prints."""

from collections.abc import Iterator, Sequence

from agents.curation.settings import CurationRules
from agents.figures import as_score
from streams.cli.console import printable
from streams.observe.dry_run import DryRun, Moved
from streams.quantities import as_count


def as_text(found: DryRun, count: int) -> str:
    """Return the comparison as lines for a terminal, with ``count`` pairs of each change."""
    return "\n".join(printable(line) for line in _lines(found, count))


def _lines(found: DryRun, count: int) -> Iterator[str]:
    yield f"{as_count(found.pairs, 'rated pair')}, {as_count(found.seeds, 'human seed')}"
    yield f"{'':28}{'now':>10}{'with these settings':>22}"
    yield _row("accepted", found.kept, found.kept_after)
    for rule in _in_order(found.refused.keys() | found.refused_after.keys()):
        yield _row(rule, found.refused.get(rule, 0), found.refused_after.get(rule, 0))
    if found.masked or found.masked_after:
        yield _row("masked places", found.masked, found.masked_after)
    yield from _moved("would be accepted as well", found.gained_count, found.gained[:count])
    yield from _moved("would not be accepted any more", found.lost_count, found.lost[:count])


def _row(name: str, now: int, then: int) -> str:
    change = f"{then - now:+,}" if then != now else ""
    return f"{name:28}{now:>10,}{then:>22,}{change:>10}".rstrip()


def _in_order(rules: set[str]) -> list[str]:
    """Rules in the order in which they are applied; others after them."""
    order = list(CurationRules.model_fields)
    return sorted(
        rules, key=lambda rule: (order.index(rule) if rule in order else len(order), rule)
    )


def _moved(what: str, count: int, moved: Sequence[Moved]) -> Iterator[str]:
    yield f"{as_count(count, 'pair')} {what}"
    for one in moved:
        detail = f", {one.detail}" if one.detail else ""
        yield f"  {as_score(one.score)}  {' '.join(one.instruction.split())[:100]}"
        yield f"        {one.reason}{detail}"
