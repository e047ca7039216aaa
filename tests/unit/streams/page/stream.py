"""A small stream for tests of the page: a bit of everything that the page shows."""

from collections.abc import Sequence

from schemas.records import HumanRating
from schemas.release import Release, ReleaseStatus
from streams.kafka.topics import DEAD_LETTERS, SEGMENTS
from streams.kafka.writing.dead_letters import dead_letter
from streams.observe.lag import Flow, StageLag
from streams.page.store.store import Store
from streams.stages.topology import STAGES
from tests.unit.streams.page.topics import (
    NOW,
    Topics,
    candidate,
    document,
    example,
    rating,
    scored,
    segment,
)

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'`{{ 7 * 7 }}\u202e"


def fill(topics: Topics, pairs: int = 12) -> None:
    """Accepted, refused and hostile items, two releases, human ratings, a dead letter, the flow."""
    for id, status in (("r1", ReleaseStatus.IN_SERVICE), ("r2", ReleaseStatus.KEPT)):
        topics.write(
            Release(
                id=id,
                parent="base",
                base="base",
                status=status,
                location="/r",
                created_at=NOW,
                announced_at=NOW,
                metrics={"auc": 0.81},
                parent_metrics={"auc": 0.78},
                intervals={"auc": (0.01, 0.03, 0.05)},
                reason="better than its parent",
            )
        )
    around = [segment("s0", 0, "Before."), segment("s1", 1), segment("s2", 2, "After.")]
    topics.write(document(), *around)
    for number in range(pairs):
        id, score = f"e{number}", 1.2 + 3.6 * number / max(1, pairs - 1)
        pair = scored(id, rating(score, "r1" if number % 2 else "r2"))
        topics.write(candidate(id), pair)
        if score >= 3:
            topics.write(example(pair))
        else:
            detail = f"{score:.2f} is below 3.00"
            topics.write(candidate(id).refuse("curator", "low_rating", detail, score=score))
    topics.write(candidate("hostile", HOSTILE), scored("hostile", instruction=HOSTILE))
    topics.write(HumanRating(id="e1", instruction="q", response="a", score=2, rater="ada", at=NOW))
    message = topics.received(SEGMENTS, b"k", HOSTILE.encode())
    letter = dead_letter(message, "backward", ValueError(HOSTILE))
    topics.fold([topics.received(DEAD_LETTERS, letter.key, letter.value, letter.headers)])
    measure(topics.store)


def measure(store: Store, in_the_way: Sequence[str] = ()) -> None:
    """The offsets of a stream at work."""
    lags = tuple(
        StageLag(spec.name, spec.source.name, done=10 * at, lag=at)
        for at, spec in enumerate(STAGES)
    )
    messages = {spec.source.name: 100 for spec in STAGES}
    store.measure(Flow(messages, lags, examples=3), STAGES, True, in_the_way)
