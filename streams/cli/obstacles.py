"""What ``status`` says is in the way."""

from collections.abc import Iterator, Mapping, Sequence

from streams.cli.status import StageStatus
from streams.kafka.topics import BOOTSTRAPS, CANDIDATES, CURATED, DOCUMENTS, QUESTIONS, SEGMENTS
from streams.observe.acceptance import Acceptance
from streams.observe.lag import OtherStage
from streams.observe.missing_workers import missing_workers, waiting
from streams.quantities import as_count

_BEFORE_EXAMPLES = (DOCUMENTS, BOOTSTRAPS, QUESTIONS, SEGMENTS, CANDIDATES, CURATED)
_SWITCHES = {"rewriter": "rewriting.enabled=true", "pairer": "preferences.enabled=true"}
"""What makes an optional stage run."""
_SEVERAL = 20
"""Fewest refusals that tell that all have one reason."""


def obstacles(
    stages: Sequence[StageStatus],
    dead_letters: int,
    acceptance: Acceptance | None,
    options: str,
    *,
    failing: Mapping[str, str] | None = None,
    others: Sequence[OtherStage] = (),
    messages: Mapping[str, int] | None = None,
    budget: str | None = None,
    refusals: Sequence[str] = (),
) -> Iterator[str]:
    """Yield what keeps the stream from going on, each with what to do about it.

    ``options`` of a worker name the broker and the state directory. ``failing`` are processes of
    ``up`` with their errors. ``others`` are stages that the settings do not have. ``messages`` are
    those of each topic by its name in the table. ``budget`` is the setting whose budget is used up.
    ``refusals`` are the reasons of the last rejections where nothing was kept.
    """
    if messages is not None and not any(messages.get(topic.name) for topic in _BEFORE_EXAMPLES):
        yield "nothing has been fed yet: `backstream feed PATH` sends documents"
    if budget is not None:
        yield (
            f"the budget of the models behind addresses is used up ({budget}): stages that use "
            "them wait; start again with a higher one"
        )
    workers = {stage.stage: stage.workers for stage in stages}
    yield from missing_workers(stages, workers, options, failing or {})
    for other in others:
        yield from _of_other(other)
    for stage in stages:
        if stage.lag and stage.workers and not stage.per_second:
            yield (
                f"{stage.stage} did nothing just now: if that stays so, the log of its worker "
                "says what it waits for, and so does its /ready"
            )
    if dead_letters:
        yield (
            f"{as_count(dead_letters, 'dead letter')}: `backstream dead-letters list` says why, "
            "and `dead-letters replay` sends them back once the cause is fixed"
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


def _of_other(other: OtherStage) -> Iterator[str]:
    switch = _SWITCHES.get(other.stage, f"a section agents.{other.stage}")
    if other.workers:
        yield (
            f"{as_count(other.workers, 'worker')} run{'s' if other.workers == 1 else ''} the stage "
            f"{other.stage}, which is not shown here: give `backstream status` the settings of the "
            f"workers, with -c or -s ({switch})"
        )
    else:
        for topic, count in other.waiting.items():
            yield (
                f"{waiting(count)} on {topic} for the stage {other.stage}, which ran before: no "
                "worker runs it, and these settings do not have it; start the workers with "
                f"{switch}, or leave it off"
            )
