"""What ``status`` says is in the way."""

from collections.abc import Iterator, Mapping, Sequence

from streams.cli.status import StageStatus
from streams.kafka.topics import BOOTSTRAPS, CANDIDATES, CURATED, DOCUMENTS, QUESTIONS, SEGMENTS
from streams.observe.acceptance import Acceptance
from streams.quantities import as_count

_BEFORE_EXAMPLES = (DOCUMENTS, BOOTSTRAPS, QUESTIONS, SEGMENTS, CANDIDATES, CURATED)
_SEVERAL = 20
"""Fewest refusals that tell that all have one reason."""


def obstacles(
    stages: Sequence[StageStatus],
    dead_letters: int,
    acceptance: Acceptance | None,
    broker: str,
    *,
    messages: Mapping[str, int] | None = None,
    budget: str | None = None,
    refusals: Sequence[str] = (),
) -> Iterator[str]:
    """Yield what keeps the stream from going on, each with what to do about it.

    ``messages`` are those of each topic by its name in the table. ``budget`` is the setting whose
    budget is used up. ``refusals`` are the reasons of the last rejections where nothing was kept.
    """
    if messages is not None and not any(messages.get(topic.name) for topic in _BEFORE_EXAMPLES):
        yield "nothing has been fed yet: `backstream feed PATH` sends documents"
    if budget is not None:
        yield (
            f"the budget of the models behind addresses is used up ({budget}): stages that use "
            "them wait; start again with a higher one"
        )
    idle = [stage.stage for stage in stages if not stage.workers]
    waiting = [stage.stage for stage in stages if stage.lag and not stage.workers]
    start = f"start `backstream up`, or `backstream worker --broker {broker}`"
    if stages and len(idle) == len(stages):
        yield f"no worker runs: {start}"
    elif waiting:
        yield f"no worker runs {', '.join(waiting)}: {start}, with these stages"
    for stage in stages:
        if stage.lag and stage.workers and not stage.per_second:
            yield (
                f"{stage.stage} did nothing just now: if that stays so, the log of its worker "
                "says what it waits for, and so does its /ready"
            )
    if dead_letters:
        yield (
            f"{as_count(dead_letters, 'dead letter')}: `backstream dead-letters list` says why, "
            "and `dead-letters replay` sends them back"
        )
    if acceptance is not None and not acceptance.accepted:
        yield (
            f"none of the last {as_count(acceptance.ratings, 'rating')} is accepted "
            f"({acceptance.rule}): `backstream curate --dry-run -s curation.threshold=3.5` says "
            "what another threshold keeps"
        )
    if len(refusals) >= _SEVERAL and len({*refusals}) == 1:
        yield (
            f"nothing is accepted; each of the last {as_count(len(refusals), 'refusal')} has the "
            f"reason {refusals[0]}: `backstream curate --dry-run` shows what other settings of "
            "the curator keep, and `backstream segment FILE` how documents are cut"
        )
