"""The schedule alone, over rows that only remember: who goes first, who is spared, and that no row
is mixed up.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.continuous import Continuous
from models.engine.model_runner import Decode, Prefill
from models.engine.prefixes import Prefixes
from models.engine.requests import AnyRequest, Generation, GenerationRequest, RatingRequest
from models.engine.sampling import Logits, Sampling
from schemas.errors import EngineError

VOCABULARY = 16
DIGITS = (1, 2, 3, 4, 5)


def following(tokens: Sequence[int]) -> int:
    """The next token of a sequence: another one wherever a single token before it differs."""
    value = 7
    for token in tokens:
        value = (value * 31 + token + 1) % 10_007
    return value % VOCABULARY


@dataclass
class RememberedRows:
    """Rows that hold token ids, and fail when told."""

    count: int
    device: str = "cpu"
    context_window: int = 4096
    vocabulary: int = VOCABULARY
    held: list[list[int]] = field(init=False)
    calls: list[tuple[str, int]] = field(default_factory=list)
    """``read`` or ``step``, and how many tokens. A call that does both is told as both."""
    copied: int = 0
    """Tokens that were copied between rows."""
    fails: Callable[[str, Sequence[int]], bool] = lambda what, tokens: False

    def __post_init__(self) -> None:
        self.held = [[] for _ in range(self.count)]

    def run(
        self, prefill: Prefill | None, decodes: Sequence[Decode]
    ) -> tuple[Logits | None, list[int]]:
        assert prefill is not None or decodes, "a call for nothing"
        if prefill is not None:
            assert prefill.slot >= len(decodes), "a row is read that decodes"
            assert len(self.held[prefill.slot]) >= prefill.past, (
                "a row is read on from where it does not reach"
            )
            self._call("read", prefill.tokens)
        if decodes:
            self._call("step", [each.token for each in decodes])
        logits = None
        if prefill is not None:
            self.held[prefill.slot][prefill.past :] = prefill.tokens
            logits = self._logits(self.held[prefill.slot]) if prefill.ends else None
        for row, each in enumerate(decodes):
            assert len(self.held[row]) >= each.length
            self.held[row][each.length :] = [each.token]
        return logits, [
            each.sampler.choose(self._logits(self.held[row])) for row, each in enumerate(decodes)
        ]

    def _call(self, what: str, tokens: Sequence[int]) -> None:
        self.calls.append((what, len(tokens)))
        if self.fails(what, tokens):
            raise EngineError("out of memory")

    def copy(self, source: int, target: int, length: int) -> None:
        assert len(self.held[source]) >= length
        self.copied += length
        self.held[target] = self.held[source][:length]

    def _logits(self, tokens: Sequence[int]) -> Logits:
        logits = np.zeros(VOCABULARY, np.float32)
        logits[following(tokens)] = 5.0
        return logits


class Requests:
    """Makes requests that nobody awaits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def generation(
        self, prompt: Sequence[int], tokens: int = 4, priority: int = 0
    ) -> GenerationRequest:
        sampling = Sampling(max_tokens=tokens)
        return GenerationRequest(
            prompt=tuple(prompt),
            loop=self._loop,
            future=self._loop.create_future(),
            sampling=sampling,
            stop_ids=frozenset(),
            priority=priority,
        )

    def rating(self, prompt: Sequence[int], priority: int = 0) -> RatingRequest:
        return RatingRequest(
            prompt=tuple(prompt),
            loop=self._loop,
            future=self._loop.create_future(),
            digit_ids=DIGITS,
            priority=priority,
        )

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def requests() -> Any:
    made = Requests()
    yield made
    made.close()


def core(rows: RememberedRows, active: int, chunk: int = 8) -> Continuous:
    return Continuous(rows, active, Prefixes(range(active, rows.count)), chunk)


def run(core: Continuous, turns: int = 10_000) -> list[tuple[AnyRequest, Any]]:
    """Answers, in order."""
    answered = []
    for _ in range(turns):
        if not len(core):
            break
        answered += [each for each in core.turn() if each]
    return answered


def greedy(prompt: Sequence[int], tokens: int) -> tuple[int, ...]:
    found: list[int] = []
    while len(found) < tokens:
        found.append(following([*prompt, *found]))
    return tuple(found)


_PROMPT = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=40)


@given(
    asked=st.lists(
        st.tuples(_PROMPT, st.integers(0, 9), st.integers(0, 60)), min_size=1, max_size=25
    ),
    active=st.integers(1, 5),
    held=st.integers(0, 4),
    chunk=st.integers(1, 30),
)
def test_every_answer_is_that_of_its_own_tokens(
    asked: list[tuple[list[int], int, int]], active: int, held: int, chunk: int
) -> None:
    requests = Requests()
    schedule = core(RememberedRows(active + held), active, chunk)
    expected: dict[AnyRequest, Any] = {}
    for number, (prompt, tokens, shared) in enumerate(asked):
        prompt = [*asked[number // 2][0][:shared], *prompt]  # often the beginning of another
        if tokens:
            expected[requests.generation(prompt, tokens)] = greedy(prompt, tokens)
        else:
            expected[requests.rating(prompt)] = following(prompt)
    every = list(expected)
    schedule.add(every[: len(every) // 2])
    answers = dict(run(schedule, 3))
    schedule.add(every[len(every) // 2 :])
    answers |= dict(run(schedule))
    requests.close()
    assert answers.keys() == expected.keys()
    for request, answer in answers.items():
        if isinstance(answer, Generation):
            assert answer.ids == expected[request]
        else:
            best = expected[request]
            assert (max(answer.probabilities) > 0.9) == (best in DIGITS)


def test_a_long_prompt_does_not_keep_the_others_from_decoding(requests: Requests) -> None:
    rows = RememberedRows(4)
    schedule = core(rows, 4, chunk=8)
    schedule.add([requests.generation([1], 30)])
    list(schedule.turn())
    schedule.add([requests.generation([2] * 80, 1)])
    run(schedule, 5)
    assert rows.calls[-10:] == [("read", 8), ("step", 1)] * 5


def test_what_two_prompts_share_is_read_once(requests: Requests) -> None:
    rows = RememberedRows(4)
    schedule = core(rows, 2)
    passage = [n % VOCABULARY for n in range(60)]
    run_one = requests.generation([*passage, 3])
    schedule.add([run_one])
    ((_, written),) = run(schedule)
    rows.calls.clear()
    rows.copied = 0
    schedule.add([requests.rating([*passage, 3, *written.ids, 9])])
    run(schedule)
    assert sum(tokens for _, tokens in rows.calls) <= 2
    assert not rows.copied, "a rating is read where its passage is held"
    assert schedule.counts.reused_tokens >= 61


def test_ratings_go_first_but_not_for_ever(requests: Requests) -> None:
    schedule = core(RememberedRows(4), 2)
    waits = requests.generation([1, 2], 1)
    ratings = [requests.rating([n]) for n in range(12)]
    schedule.add([waits, *ratings])
    order = [request for request, _ in run(schedule)]
    assert order == [*ratings[:8], waits, *ratings[8:]]


def test_live_work_goes_before_what_can_wait(requests: Requests) -> None:
    schedule = core(RememberedRows(3), 2)
    later = [requests.rating([n], priority=1) for n in range(3)]
    live = [requests.generation([n, 1], 1) for n in range(3)]
    schedule.add([*later, *live])
    assert [request for request, _ in run(schedule)] == [*live, *later]


def test_a_rating_does_not_wait_for_a_generation_to_end(requests: Requests) -> None:
    schedule = core(RememberedRows(3), 3, chunk=64)
    schedule.add([requests.generation([n], 500) for n in range(5)])
    run(schedule, 4)
    rating = requests.rating([7, 7])
    schedule.add([rating])
    assert [request for request, _ in run(schedule, 2)] == [rating]


def test_a_prompt_that_fails_is_alone(requests: Requests) -> None:
    bad, good = requests.generation([13] * 9, 3), requests.generation([1, 2], 3)
    rows = RememberedRows(3, fails=lambda what, tokens: what == "read" and 13 in tokens)
    schedule = core(rows, 3)
    schedule.add([bad, good])
    answers = dict(run(schedule))
    assert isinstance(answers[bad], EngineError)
    assert answers[good].ids == greedy([1, 2], 3)


def test_a_step_that_fails_spares_what_still_waits(requests: Requests) -> None:
    broken = [True]
    rows = RememberedRows(3, fails=lambda what, tokens: what == "step" and broken[0])
    schedule = core(rows, 2, chunk=2)
    first, second = requests.generation([1], 5), requests.generation([2, 2, 2], 5)
    schedule.add([first])
    answers = dict(run(schedule, 2))
    broken[0] = False
    schedule.add([second])
    answers |= dict(run(schedule))
    assert isinstance(answers[first], EngineError)
    assert answers[second].ids == greedy([2, 2, 2], 5)


def test_what_nobody_waits_for_is_dropped_where_it_runs(requests: Requests) -> None:
    schedule = core(RememberedRows(3), 3)
    gone, stays, waiting = (requests.generation([n], 50) for n in range(3))
    schedule.add([gone, stays, waiting])
    run(schedule, 3)
    assert set(schedule.drop(lambda request: request in (gone, waiting))) == {gone, waiting}
    assert [request for request, _ in run(schedule)] == [stays]


def test_a_row_that_was_lent_comes_back_whatever_happens(requests: Requests) -> None:
    passage = [n % VOCABULARY for n in range(40)]
    broken = [False]
    rows = RememberedRows(3, fails=lambda what, tokens: broken[0])
    schedule = core(rows, 2)
    schedule.add([requests.generation(passage, 2)])
    run(schedule)
    long = requests.rating([*passage, *[5] * 30])
    schedule.add([long])
    list(schedule.turn())
    schedule.drop(lambda request: request is long)  # while it is read in the row that is held
    broken[0] = True
    schedule.add([failing := requests.rating([*passage, 6])])
    assert isinstance(dict(run(schedule))[failing], EngineError)
    broken[0] = False
    lost = requests.rating([*passage, *[7] * 30])
    schedule.add([lost])
    list(schedule.turn())
    assert schedule.abandon() == [lost]
    schedule.add([again := requests.generation(passage, 2)])
    assert dict(run(schedule))[again].ids == greedy(passage, 2)
    rows.copied = 0
    schedule.add([requests.rating([*passage, 8])])
    run(schedule)
    assert not rows.copied, "the one held row is lent again"


def test_after_a_fault_of_another_kind_nothing_held_is_trusted(requests: Requests) -> None:
    rows = RememberedRows(4)
    schedule = core(rows, 2)
    prompt = list(range(12))
    schedule.add([requests.generation(prompt, 2)])
    run(schedule)
    running = requests.generation([5, 5], 9)
    schedule.add([running])
    list(schedule.turn())
    assert schedule.abandon() == [running]
    rows.held = [[] for _ in rows.held]
    schedule.add([again := requests.generation(prompt, 2)])
    assert dict(run(schedule))[again].ids == greedy(prompt, 2)


@pytest.mark.parametrize("guilty", ["read", "step"])
def test_of_a_call_that_does_both_only_the_guilty_half_fails(
    requests: Requests, guilty: str
) -> None:
    broken = [False]
    rows = RememberedRows(3, fails=lambda what, tokens: broken[0] and what == guilty)
    schedule = core(rows, 3, chunk=4)
    decodes, reads = requests.generation([1, 2], 8), requests.generation([3] * 9, 8)
    schedule.add([decodes])
    run(schedule, 2)
    schedule.add([reads])
    broken[0] = True
    answers = dict(run(schedule, 1))
    broken[0] = False
    answers |= dict(run(schedule))
    failed, spared = (reads, decodes) if guilty == "read" else (decodes, reads)
    assert isinstance(answers[failed], EngineError)
    assert answers[spared].ids == greedy(spared.prompt, 8)
