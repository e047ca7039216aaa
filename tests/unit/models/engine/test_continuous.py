"""Continuous batching over KV slots that only remember tokens: order, isolation, slot bookkeeping.

After every step the slots are recounted (``check_integrity``).
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from models.engine.continuous import ContinuousBatching
from models.engine.kv_slots import KVSlots
from models.engine.model_runner import Decode, Prefill
from models.engine.request_queue import RequestQueue
from models.engine.requests import (
    AnyRequest,
    ChoiceRequest,
    Generation,
    GenerationRequest,
    ScoreRequest,
)
from models.engine.sampling import Logits, Nats, negative_log_probabilities
from models.engine.scheduler import Scheduler
from models.engine.sequence import RunningSequence
from models.sampling import Sampling
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
class FakeRunner:
    """A ModelRunner whose slots hold token ids, and that fails on demand."""

    slots: int
    device: str = "cpu"
    context_window: int = 4096
    vocabulary: int = VOCABULARY
    held: list[list[int]] = field(init=False)
    calls: list[tuple[str, int]] = field(default_factory=list)
    """``prefill`` or ``decode``, and how many tokens. A call that does both is recorded as both."""
    copied: int = 0
    """Tokens that were copied between slots."""
    fails: Callable[[str, Sequence[int]], bool] = lambda what, tokens: False

    def __post_init__(self) -> None:
        self.held = [[] for _ in range(self.slots)]

    def run(
        self, prefill: Prefill | None, decodes: Sequence[Decode]
    ) -> tuple[Logits | Nats | None, list[int]]:
        assert prefill is not None or decodes, "a call with nothing to compute"
        if prefill is not None:
            assert prefill.slot >= len(decodes), "the slot of a prefill decodes as well"
            assert len(self.held[prefill.slot]) >= prefill.past, "a prefill leaves a gap"
            self._call("prefill", prefill.tokens)
        if decodes:
            self._call("decode", [decode.token for decode in decodes])
        given = None
        if prefill is not None:
            held = self.held[prefill.slot]
            held[prefill.past :] = prefill.tokens
            if prefill.targets:
                scored = range(len(held) - len(prefill.targets) + 1, len(held) + 1)
                logits = np.array([self._logits(held[:end]) for end in scored])
                given = negative_log_probabilities(logits, prefill.targets)
            elif prefill.ends:
                given = self._logits(held)
        for slot, decode in enumerate(decodes):
            assert len(self.held[slot]) >= decode.length
            self.held[slot][decode.length :] = [decode.token]
        return given, [
            decode.sampler.choose(self._logits(self.held[slot]))
            for slot, decode in enumerate(decodes)
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

    def rating(self, prompt: Sequence[int], priority: int = 0) -> ChoiceRequest:
        return ChoiceRequest(
            prompt=tuple(prompt),
            loop=self._loop,
            future=self._loop.create_future(),
            option_ids=DIGITS,
            priority=priority,
        )

    def score(
        self, prompt: Sequence[int], target: Sequence[int], priority: int = 0
    ) -> ScoreRequest:
        return ScoreRequest(
            prompt=tuple(prompt),
            loop=self._loop,
            future=self._loop.create_future(),
            target=tuple(target),
            priority=priority,
        )

    def any(
        self, prompt: Sequence[int], target: Sequence[int], tokens: int, priority: int = 0
    ) -> AnyRequest:
        """A generation if there are new ``tokens``, else a score of a target, else a rating."""
        if tokens:
            return self.generation(prompt, tokens, priority)
        return self.score(prompt, target, priority) if target else self.rating(prompt, priority)

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def requests() -> Iterator[Requests]:
    made = Requests()
    yield made
    made.close()


def core_of(runner: FakeRunner, active: int, chunk: int = 8) -> ContinuousBatching:
    return ContinuousBatching(runner, KVSlots(active, runner.slots - active), chunk)


def step(core: ContinuousBatching) -> list[tuple[AnyRequest, Any]]:
    """The outputs of one step. The slots are recounted after each call of the model."""
    outputs = []
    for output in core.step():
        core.check_integrity()
        if output:
            outputs.append(output)
    core.check_integrity()
    return outputs


def run(core: ContinuousBatching, steps: int = 10_000) -> list[tuple[AnyRequest, Any]]:
    """Outputs, in order."""
    outputs = []
    for _ in range(steps):
        if not len(core):
            break
        outputs += step(core)
    return outputs


def greedy(prompt: Sequence[int], tokens: int) -> tuple[int, ...]:
    found: list[int] = []
    while len(found) < tokens:
        found.append(following([*prompt, *found]))
    return tuple(found)


def assert_answer(request: AnyRequest, answer: Any) -> None:
    """The answer is that of the request's own prompt."""
    if isinstance(request, GenerationRequest):
        assert isinstance(answer, Generation)
        assert answer.ids == greedy(request.prompt, request.sampling.max_tokens)
    elif isinstance(request, ScoreRequest):
        text, start = [*request.prompt, *request.target], len(request.prompt)
        expected = [following(text[:end]) == text[end] for end in range(start, len(text))]
        assert [nats < 2.5 for nats in answer] == expected
    else:
        assert (max(answer.probabilities) > 0.9) == (following(request.prompt) in DIGITS)


_PROMPT = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=40)
_TARGET = st.lists(st.integers(0, VOCABULARY - 1), max_size=30)


@given(
    asked=st.lists(
        st.tuples(_PROMPT, _TARGET, st.integers(0, 9), st.integers(0, 60)), min_size=1, max_size=25
    ),
    active=st.integers(1, 5),
    prefixes=st.integers(0, 4),
    chunk=st.integers(1, 30),
)
def test_every_answer_is_that_of_its_own_tokens(
    asked: list[tuple[list[int], list[int], int, int]], active: int, prefixes: int, chunk: int
) -> None:
    requests = Requests()
    core = core_of(FakeRunner(active + prefixes), active, chunk)
    every: list[AnyRequest] = []
    for number, (prompt, target, tokens, shared) in enumerate(asked):
        prompt = [*asked[number // 2][0][:shared], *prompt]  # often the beginning of another
        every.append(requests.any(prompt, target, tokens))
    core.add(every[: len(every) // 2])
    answers = dict(run(core, 3))
    core.add(every[len(every) // 2 :])
    answers |= dict(run(core))
    requests.close()
    assert answers.keys() == set(every)
    for request, answer in answers.items():
        assert_answer(request, answer)


class AnyOrder(RuleBasedStateMachine):
    """Requests, steps, cancellations and faults in any order keep the slots and answers right."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Requests()
        self.prompts: list[list[int]] = [[]]
        self.open: set[AnyRequest] = set()

    @initialize(active=st.integers(1, 4), prefixes=st.integers(0, 3), chunk=st.integers(1, 20))
    def start(self, active: int, prefixes: int, chunk: int) -> None:
        self.runner = FakeRunner(active + prefixes)
        self.core = core_of(self.runner, active, chunk)

    @rule(
        data=st.data(),
        prompt=_PROMPT,
        scored=_TARGET,
        tokens=st.integers(0, 6),
        priority=st.integers(0, 1),
    )
    def add(
        self,
        data: st.DataObject,
        prompt: list[int],
        scored: list[int],
        tokens: int,
        priority: int,
    ) -> None:
        beginning = data.draw(st.sampled_from(self.prompts))
        prompt = [*beginning[: data.draw(st.integers(0, 40))], *prompt]
        self.prompts.append(prompt)
        request = self.requests.any(prompt, scored, tokens, priority)
        self.core.add([request])
        self.open.add(request)

    @rule()
    def step(self) -> None:
        for request, answer in step(self.core):
            assert_answer(request, answer)
            self.open.remove(request)

    @rule(what=st.sampled_from(["prefill", "decode"]))
    def step_with_a_fault(self, what: str) -> None:
        self.runner.fails = lambda call, tokens: call == what
        for request, answer in step(self.core):
            if not isinstance(answer, EngineError):
                assert_answer(request, answer)
            self.open.remove(request)
        self.runner.fails = lambda call, tokens: False

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        every = sorted(self.open, key=lambda request: request.prompt)
        cancelled = data.draw(st.sets(st.sampled_from(every))) if every else set()
        assert set(self.core.drop(lambda request: request in cancelled)) == cancelled
        self.open -= cancelled

    @rule()
    def abort(self) -> None:
        self.open -= set(self.core.abort_running())
        self.runner.held = [[] for _ in self.runner.held]

    @invariant()
    def slots_add_up(self) -> None:
        if hasattr(self, "core"):
            self.core.check_integrity()
            assert len(self.core) == len(self.open)

    def teardown(self) -> None:
        if hasattr(self, "core"):
            for request, answer in run(self.core):
                assert_answer(request, answer)
                self.open.remove(request)
            assert not self.open
        self.requests.close()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_recount_finds_what_does_not_add_up(requests: Requests) -> None:
    def slots_with_two() -> KVSlots:
        slots = KVSlots(4, 2)
        for token in (1, 2):
            sequence = RunningSequence.of(requests.generation([token]))
            slots.allocate(sequence)
            sequence.length = 1
            slots.start_decoding()
            sequence.append(3)
        slots.allocate(RunningSequence.of(requests.rating([3])))
        slots.check_integrity()
        return slots

    lost = slots_with_two()
    lost.decoding.pop()
    with pytest.raises(AssertionError, match=r"do not add up to 6: free \[3\]"):
        lost.check_integrity()
    swapped = slots_with_two()
    swapped.decoding.reverse()
    with pytest.raises(AssertionError, match=r"not the first ones: \[1, 0\]"):
        swapped.check_integrity()
    behind = slots_with_two()
    behind.decoding[1].length = 0
    with pytest.raises(AssertionError, match="slot 1 decodes with 0 of 2 tokens cached"):
        behind.check_integrity()
    complete = slots_with_two()
    assert complete.prefilling is not None
    complete.prefilling.length = 1
    with pytest.raises(AssertionError, match="slot 2 is prefilling with 1 tokens cached"):
        complete.check_integrity()


def test_a_schedule_is_made_without_a_model(requests: Requests) -> None:
    queue, slots = RequestQueue(), KVSlots(3, 0)
    scheduler = Scheduler(queue, slots)
    assert scheduler.schedule(8).is_empty
    queue.push([requests.generation([1, 2]), requests.generation([3] * 20)])
    first = scheduler.schedule(8)
    assert first.chunk == Prefill(0, [1, 2], 0)
    assert not first.ends_step, "the rest of the chunk is for the next prompt"
    sequence = slots.prefilling
    assert sequence is not None
    sequence.length = 2
    slots.start_decoding()
    sequence.append(7)
    second = scheduler.schedule(6)
    assert second.chunk == Prefill(1, [3] * 6, 0, ends=False)
    assert second.decoding == (sequence,)
    assert second.ends_step
    decodes, prefill = second.halves()
    assert (decodes.chunk, decodes.decoding) == (None, (sequence,))
    assert (prefill.chunk, prefill.decoding) == (second.chunk, ())
    assert not decodes.halves()


def test_a_long_prompt_does_not_keep_the_others_from_decoding(requests: Requests) -> None:
    runner = FakeRunner(4)
    core = core_of(runner, 4, chunk=8)
    core.add([requests.generation([1], 30)])
    step(core)
    core.add([requests.generation([2] * 80, 1)])
    run(core, 5)
    assert runner.calls[-10:] == [("prefill", 8), ("decode", 1)] * 5


def test_what_two_prompts_share_is_computed_once(requests: Requests) -> None:
    runner = FakeRunner(4)
    core = core_of(runner, 2)
    passage = [n % VOCABULARY for n in range(60)]
    run_one = requests.generation([*passage, 3])
    core.add([run_one])
    ((_, written),) = run(core)
    runner.calls.clear()
    runner.copied = 0
    core.add([requests.rating([*passage, 3, *written.ids, 9])])
    run(core)
    assert sum(tokens for _, tokens in runner.calls) <= 2
    assert runner.copied == 61 + 3, "only the generation's slot, to the prefix cache"
    assert core.counts.reused_tokens >= 61


def test_targets_of_one_prompt_compute_it_once_and_are_not_kept(requests: Requests) -> None:
    runner = FakeRunner(4)
    core = core_of(runner, 2, chunk=200)
    passage = [n % VOCABULARY for n in range(60)]
    core.add([requests.score(passage, [number] * 9) for number in range(3)])
    run(core)
    # The prompt's last token is computed for each target, a target's last token never.
    assert [tokens for _, tokens in runner.calls] == [60 + 8, 1 + 8, 1 + 8]
    assert core.counts.reused_tokens == 2 * 59
    runner.calls.clear()
    core.add([requests.generation([*passage, *[0] * 9], 1)])
    run(core)
    assert runner.calls == [("prefill", 9)], "of a score, only the prompt is kept for others"


def test_a_target_spans_chunks_and_others_decode_meanwhile(requests: Requests) -> None:
    runner = FakeRunner(4)
    core = core_of(runner, 4, chunk=8)
    writes, scored = requests.generation([1], 30), requests.score([2] * 5, [3] * 20)
    core.add([writes])
    step(core)
    runner.calls.clear()
    core.add([scored])
    answers = dict(run(core))
    assert runner.calls[:6] == [("prefill", 8), ("decode", 1)] * 3
    for request in (writes, scored):
        assert_answer(request, answers[request])


def test_scores_wait_with_ratings_in_order_and_by_priority(requests: Requests) -> None:
    core = core_of(FakeRunner(3), 2)
    later = requests.score([1, 2], [3], priority=1)
    live: list[AnyRequest] = [requests.rating([4]), requests.score([5], [6])]
    waits = requests.generation([8, 9], 1)
    core.add([later, waits, *live])
    assert [request for request, _ in run(core)] == [*live, waits, later]


def test_a_score_that_is_cancelled_or_fails_midway_is_alone(requests: Requests) -> None:
    runner = FakeRunner(4, fails=lambda what, tokens: what == "prefill" and 13 in tokens)
    core = core_of(runner, 3, chunk=8)
    gone, bad = requests.score([1] * 6, [2] * 40), requests.score([1] * 6, [*[2] * 12, 13, 3])
    good, writes = requests.score([1] * 6, [2] * 12), requests.generation([4], 9)
    core.add([gone, writes])
    run(core, 3)
    assert core.drop(lambda request: request is gone) == [gone]
    core.check_integrity()
    core.add([bad, good])
    answers = dict(run(core))
    assert isinstance(answers[bad], EngineError)
    for request in (good, writes):
        assert_answer(request, answers[request])


def test_ratings_go_first_but_not_for_ever(requests: Requests) -> None:
    core = core_of(FakeRunner(4), 2)
    waits = requests.generation([1, 2], 1)
    ratings = [requests.rating([n]) for n in range(12)]
    core.add([waits, *ratings])
    order = [request for request, _ in run(core)]
    assert order == [*ratings[:8], waits, *ratings[8:]]


def test_live_work_goes_before_what_can_wait(requests: Requests) -> None:
    core = core_of(FakeRunner(3), 2)
    later = [requests.rating([n], priority=1) for n in range(3)]
    live = [requests.generation([n, 1], 1) for n in range(3)]
    core.add([*later, *live])
    assert [request for request, _ in run(core)] == [*live, *later]


def test_a_rating_does_not_wait_for_a_generation_to_end(requests: Requests) -> None:
    core = core_of(FakeRunner(3), 3, chunk=64)
    core.add([requests.generation([n], 500) for n in range(5)])
    run(core, 4)
    rating = requests.rating([7, 7])
    core.add([rating])
    assert [request for request, _ in run(core, 2)] == [rating]


def test_a_prompt_that_fails_is_alone(requests: Requests) -> None:
    bad, good = requests.generation([13] * 9, 3), requests.generation([1, 2], 3)
    runner = FakeRunner(3, fails=lambda what, tokens: what == "prefill" and 13 in tokens)
    core = core_of(runner, 3)
    core.add([bad, good])
    answers = dict(run(core))
    assert isinstance(answers[bad], EngineError)
    assert answers[good].ids == greedy([1, 2], 3)


def test_a_decode_that_fails_spares_what_still_waits(requests: Requests) -> None:
    broken = [True]
    runner = FakeRunner(3, fails=lambda what, tokens: what == "decode" and broken[0])
    core = core_of(runner, 2, chunk=2)
    first, second = requests.generation([1], 5), requests.generation([2, 2, 2], 5)
    core.add([first])
    answers = dict(run(core, 2))
    broken[0] = False
    core.add([second])
    answers |= dict(run(core))
    assert isinstance(answers[first], EngineError)
    assert answers[second].ids == greedy([2, 2, 2], 5)


def test_a_cancelled_request_is_dropped_while_it_runs(requests: Requests) -> None:
    core = core_of(FakeRunner(3), 3)
    gone, stays, waiting = (requests.generation([n], 50) for n in range(3))
    core.add([gone, stays, waiting])
    run(core, 3)
    assert set(core.drop(lambda request: request in (gone, waiting))) == {gone, waiting}
    core.check_integrity()
    assert [request for request, _ in run(core)] == [stays]


def test_a_prefix_slot_that_was_lent_returns_to_the_cache(requests: Requests) -> None:
    passage = [n % VOCABULARY for n in range(40)]
    broken = [False]
    runner = FakeRunner(3, fails=lambda what, tokens: broken[0])
    core = core_of(runner, 2)
    core.add([requests.generation(passage, 2)])
    run(core)
    long = requests.rating([*passage, *[5] * 30])
    core.add([long])
    step(core)
    core.drop(lambda request: request is long)  # while it is prefilled in the prefix slot
    core.check_integrity()
    broken[0] = True
    core.add([failing := requests.rating([*passage, 6])])
    assert isinstance(dict(run(core))[failing], EngineError)
    broken[0] = False
    lost = requests.rating([*passage, *[7] * 30])
    core.add([lost])
    step(core)
    assert core.abort_running() == [lost]
    core.check_integrity()
    core.add([again := requests.generation(passage, 2)])
    assert dict(run(core))[again].ids == greedy(passage, 2)
    runner.copied = 0
    core.add([requests.rating([*passage, 8])])
    run(core)
    assert runner.copied == 41, "the one prefix slot is lent again; only the generation is copied"


def test_after_a_fault_of_another_kind_no_cached_prefix_is_used(requests: Requests) -> None:
    runner = FakeRunner(4)
    core = core_of(runner, 2)
    prompt = list(range(12))
    core.add([requests.generation(prompt, 2)])
    run(core)
    running = requests.generation([5, 5], 9)
    core.add([running])
    step(core)
    assert core.abort_running() == [running]
    core.check_integrity()
    runner.held = [[] for _ in runner.held]
    core.add([again := requests.generation(prompt, 2)])
    assert dict(run(core))[again].ids == greedy(prompt, 2)


@pytest.mark.parametrize("guilty", ["prefill", "decode"])
def test_of_a_call_that_does_both_only_the_guilty_half_fails(
    requests: Requests, guilty: str
) -> None:
    broken = [False]
    runner = FakeRunner(3, fails=lambda what, tokens: broken[0] and what == guilty)
    core = core_of(runner, 3, chunk=4)
    decodes, prefills = requests.generation([1, 2], 8), requests.generation([3] * 9, 8)
    core.add([decodes])
    run(core, 2)
    core.add([prefills])
    broken[0] = True
    answers = dict(run(core, 1))
    broken[0] = False
    answers |= dict(run(core))
    failed, spared = (prefills, decodes) if guilty == "prefill" else (decodes, prefills)
    assert isinstance(answers[failed], EngineError)
    assert answers[spared].ids == greedy(spared.prompt, 8)
