"""Which requests run next, and together. No threads, no model, no clock."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.limits import EngineLimits
from models.engine.requests import RequestKind
from models.engine.static.scheduler import BatchScheduler, calls

RATING, GENERATION = RequestKind.PREFILL, RequestKind.GENERATION


@dataclass(frozen=True, eq=False)
class Request:
    kind: RequestKind
    length: int


def asked(kind: RequestKind, *lengths: int) -> list[Request]:
    return [Request(kind, length) for length in lengths]


def next_lengths(scheduler: BatchScheduler[Request]) -> list[int]:
    batch = scheduler.next_batch()
    assert batch is not None
    return [request.length for request in batch.requests]


def next_kind(scheduler: BatchScheduler[Request]) -> RequestKind:
    batch = scheduler.next_batch()
    assert batch is not None
    return batch.kind


@pytest.mark.parametrize(
    "name", ["requests", "call_tokens", "rating_batch", "generation_slots", "generation_tokens"]
)
def test_a_limit_below_one_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        EngineLimits(**{name: 0})


def test_nothing_waits_at_first() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(EngineLimits())
    assert scheduler.next_batch() is None
    assert len(scheduler) == 0


def test_the_oldest_is_joined_by_those_nearest_in_length() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(EngineLimits(rating_batch=3))
    scheduler.add(asked(RATING, 50, 10, 90, 48, 53, 11))
    assert next_lengths(scheduler) == [48, 50, 53]
    assert next_lengths(scheduler) == [10, 11, 90]


def test_padding_counts_against_the_budget() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(EngineLimits(call_tokens=100))
    scheduler.add(asked(RATING, 30, 30, 30, 40))
    assert next_lengths(scheduler) == [30, 30, 30]  # with 40, four rows would take 160
    assert next_lengths(scheduler) == [40]


def test_a_prompt_over_the_budget_runs_alone() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(EngineLimits(generation_tokens=100))
    scheduler.add(asked(GENERATION, 500, 2, 2))
    assert next_lengths(scheduler) == [500]
    assert next_lengths(scheduler) == [2, 2]


def test_each_kind_has_its_own_batch_size() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(
        EngineLimits(rating_batch=4, generation_slots=2)
    )
    scheduler.add([*asked(RATING, 1, 1, 1, 1, 1), *asked(GENERATION, 1, 1, 1)])
    assert [len(next_lengths(scheduler)) for _ in range(4)] == [4, 2, 1, 1]


def test_ratings_that_waited_for_one_batch_of_generations_all_go_before_the_next() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(
        EngineLimits(rating_batch=2, generation_slots=1)
    )
    scheduler.add(asked(GENERATION, 1, 1, 1))
    assert next_kind(scheduler) is GENERATION
    scheduler.add(asked(RATING, 1, 1))
    assert next_kind(scheduler) is RATING
    scheduler.add(asked(RATING, 1, 1, 1, 1, 1))
    assert [next_kind(scheduler) for _ in range(5)] == [
        GENERATION,
        RATING,
        RATING,
        RATING,
        GENERATION,
    ]


def test_ratings_that_keep_coming_do_not_starve_generations() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(EngineLimits(rating_batch=1))
    scheduler.add(asked(GENERATION, 1))
    kinds = []
    for _ in range(3):
        scheduler.add(asked(RATING, 1))
        kinds.append(next_kind(scheduler))
    assert GENERATION in kinds


def test_dropped_requests_never_run() -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(EngineLimits())
    scheduler.add([*asked(RATING, 1, 2), *asked(GENERATION, 3, 4)])
    assert [
        request.length for request in scheduler.drop(lambda request: request.length % 2 == 0)
    ] == [2, 4]
    assert len(scheduler) == 2
    assert [next_lengths(scheduler), next_lengths(scheduler)] == [[1], [3]]
    assert scheduler.next_batch() is None


@given(
    requests=st.lists(st.tuples(st.sampled_from(RequestKind), st.integers(1, 300)), max_size=60),
    tokens=st.integers(1, 500),
    rows=st.integers(1, 10),
)
def test_every_request_runs_once_within_the_limits_and_the_oldest_first(
    requests: list[tuple[RequestKind, int]], tokens: int, rows: int
) -> None:
    scheduler: BatchScheduler[Request] = BatchScheduler(
        EngineLimits(
            call_tokens=tokens, rating_batch=rows, generation_slots=rows, generation_tokens=tokens
        )
    )
    waiting = [Request(kind, length) for kind, length in requests]
    scheduler.add(waiting)
    while batch := scheduler.next_batch():
        lengths = [request.length for request in batch.requests]
        assert lengths == sorted(lengths)
        assert len(lengths) == 1 or (len(lengths) <= rows and len(lengths) * lengths[-1] <= tokens)
        assert {request.kind for request in batch.requests} == {batch.kind}
        assert next(request for request in waiting if request.kind is batch.kind) in batch.requests
        waiting = [request for request in waiting if request not in batch.requests]
    assert waiting == []


@given(lengths=st.lists(st.integers(1, 300), max_size=40).map(sorted), tokens=st.integers(1, 500))
def test_calls_take_every_prompt_in_order_within_the_budget(
    lengths: list[int], tokens: int
) -> None:
    parts = [lengths[part] for part in calls(lengths, tokens)]
    assert [length for part in parts for length in part] == lengths
    assert all(len(part) == 1 or len(part) * part[-1] <= tokens for part in parts)
    # No call could have taken the next prompt as well.
    assert all((len(part) + 1) * after[0] > tokens for part, after in itertools.pairwise(parts))
