"""Faults, cancellation and closing: every caller gets an answer or an error."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest

from models.engine import Engine, EngineLimits, ThreadBudget
from models.engine.core import CoreOutput
from models.engine.sampling import Logits
from models.engine.static.batching import StaticBatching
from models.sampling import Sampling
from schemas.errors import EngineError
from tests.unit.engine_model import CuedRunner, TinyModel, engine_of, open_tiny

DIGITS = (10, 11, 12, 13, 14)
Make = Callable[..., tuple[Engine, CuedRunner]]


@pytest.fixture
async def make(tiny_model: TinyModel) -> AsyncIterator[Make]:
    """Makes engines over a CuedRunner; opens the gates and closes the engines afterwards."""
    made: list[tuple[Engine, CuedRunner]] = []

    def make(**limits: int) -> tuple[Engine, CuedRunner]:
        runner = CuedRunner(open_tiny(tiny_model))
        made.append(
            (
                engine_of(
                    StaticBatching(runner, EngineLimits(**limits)), limits.get("requests", 1024)
                ),
                runner,
            )
        )
        return made[-1]

    yield make
    for engine, runner in made:
        runner.gate.set()
        engine.close()


async def held(engine: Engine, runner: CuedRunner) -> "asyncio.Task[object]":
    """A rating that the runner computes until the gate is opened."""
    runner.gate.clear()
    task: asyncio.Task[object] = asyncio.create_task(engine.rate([1], DIGITS))
    await asyncio.to_thread(runner.called.acquire)
    return task


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("fault", [EngineError("out of memory"), RuntimeError("a bug")])
async def test_a_fault_fails_its_batch_and_no_other(make: Make, fault: Exception) -> None:
    engine, runner = make()
    task = await held(engine, runner)
    beside = [
        asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=3), ())) for _ in range(3)
    ]
    await settled()
    runner.failures.append(fault)
    runner.gate.set()
    with pytest.raises(EngineError, match=str(fault)):
        await task
    assert [len(g.ids) for g in await asyncio.gather(*beside)] == [3, 3, 3]


async def test_a_fault_in_a_step_spares_what_had_already_ended(make: Make) -> None:
    engine, runner = make()
    task = await held(engine, runner)
    short = asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=1), ()))
    long = asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=9), ()))
    await settled()
    runner.failures += [
        None,
        None,
        EngineError("out of memory"),
    ]  # the rating, the prompts, the first step
    runner.gate.set()
    await task
    assert len((await short).ids) == 1
    with pytest.raises(EngineError, match="out of memory"):
        await long
    assert len((await engine.generate([3], Sampling(max_tokens=2), ())).ids) == 2


async def test_onnxruntimes_own_error_is_translated(make: Make) -> None:
    engine, runner = make()
    runner.vocabulary = 10_000  # lets an id through that the graph cannot look up
    with pytest.raises(EngineError, match="onnxruntime failed on a batch of 1 x 1 tokens"):
        await engine.rate([9_999], DIGITS)
    await engine.rate([1], DIGITS)


async def test_the_death_of_the_thread_fails_everyone_now_and_later(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    engine, runner = make(requests=2)
    task = await held(engine, runner)
    queued = asyncio.create_task(engine.rate([2], DIGITS))
    outside = asyncio.create_task(engine.rate([3], DIGITS))
    await settled()
    runner.failures.append(SystemExit("the interpreter is on fire"))
    with caplog.at_level(logging.ERROR):
        runner.gate.set()
        for waiting in (task, queued, outside):
            with pytest.raises(EngineError, match="on fire"):
                await waiting
    assert "the engine thread ended" in caplog.text
    with pytest.raises(EngineError, match="on fire"):
        await engine.generate([1], Sampling(max_tokens=2), ())
    engine.close()


async def test_close_fails_what_is_in_flight_and_what_comes_later(make: Make) -> None:
    engine, runner = make(requests=3)
    runner.gate.clear()
    running = asyncio.create_task(engine.generate([1], Sampling(max_tokens=50), ()))
    await asyncio.to_thread(runner.called.acquire)
    others = [asyncio.create_task(engine.rate([1], DIGITS)) for _ in range(4)]
    await settled()
    closing = asyncio.create_task(asyncio.to_thread(engine.close))
    with pytest.raises(EngineError, match="closed"):
        await others[-1]  # the inbox is closed, so the thread finds it so after its present call
    runner.gate.set()
    await closing
    for waiting in (running, *others):
        with pytest.raises(EngineError, match="closed"):
            await waiting
    assert len(runner.calls) == 1
    with pytest.raises(EngineError, match="closed"):
        await engine.rate([1], DIGITS)
    engine.close()


async def test_a_full_queue_lets_callers_wait_without_blocking_the_loop(make: Make) -> None:
    engine, runner = make(requests=2, rating_batch=1)
    task = await held(engine, runner)
    others = [asyncio.create_task(engine.rate([1, index], DIGITS)) for index in range(6)]
    await settled()
    assert not task.done()
    runner.gate.set()
    await asyncio.gather(task, *others)
    assert runner.calls == [("read", 1)] * 7


async def test_a_cancelled_request_in_the_queue_never_runs(make: Make) -> None:
    engine, runner = make(requests=3)
    task = await held(engine, runner)
    queued = asyncio.create_task(engine.rate([2], DIGITS))
    kept = asyncio.create_task(engine.rate([3], DIGITS))
    outside = asyncio.create_task(engine.rate([4], DIGITS))
    await settled()
    for cancelled in (queued, outside):
        cancelled.cancel()
    await settled()
    runner.gate.set()
    await asyncio.gather(task, kept)
    assert runner.calls == [("read", 1), ("read", 1)]
    # What was cancelled holds no place: three more fit in a queue of three.
    await asyncio.gather(*(engine.rate([5], DIGITS) for _ in range(3)))


async def test_a_cancelled_generation_ends_at_the_next_step(make: Make) -> None:
    engine, runner = make()
    runner.gate.clear()
    task = asyncio.create_task(engine.generate([1], Sampling(max_tokens=90), ()))
    await asyncio.to_thread(runner.called.acquire)
    task.cancel()
    await settled()
    runner.gate.set()
    await engine.rate([1], DIGITS)
    assert runner.calls == [("start", 1), ("join", 1), ("read", 1)]


def test_a_caller_whose_loop_is_gone_does_no_harm(tiny_model: TinyModel) -> None:
    runner = CuedRunner(open_tiny(tiny_model))
    engine = engine_of(StaticBatching(runner), requests=1)
    loop = asyncio.new_event_loop()
    runner.gate.clear()
    lost = [loop.create_task(engine.rate([1], DIGITS)) for _ in range(2)]
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    runner.called.acquire()
    loop.close()
    runner.gate.set()
    assert sum(asyncio.run(engine.rate([1], DIGITS)).probabilities) == pytest.approx(1)
    engine.close()
    for task in lost:  # the loop that would have ended them is gone
        task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_after_faults_in_a_row_the_model_is_reloaded(tiny_model: TinyModel) -> None:
    runners = [CuedRunner(open_tiny(tiny_model)) for _ in range(2)]
    runners[0].failures += [EngineError("out of memory")] * 9
    opened = iter(runners)
    engine = engine_of(StaticBatching(next(opened)), reload=lambda: StaticBatching(next(opened)))
    try:
        for _ in range(3):
            with pytest.raises(EngineError, match="out of memory"):
                await engine.rate([1], DIGITS)
        assert len((await engine.generate([1, 2], Sampling(max_tokens=3), ())).ids) == 3
    finally:
        engine.close()
    assert len(runners[0].calls) == 3
    assert runners[1].calls


async def test_a_core_that_answers_with_errors_is_reloaded_too(tiny_model: TinyModel) -> None:
    class Failing(StaticBatching):
        def step(self) -> Iterator[CoreOutput | None]:
            for request in self._scheduler.drop(lambda request: True):
                yield request, EngineError("out of memory")

    engine = engine_of(
        Failing(open_tiny(tiny_model)), reload=lambda: StaticBatching(open_tiny(tiny_model))
    )
    try:
        for _ in range(3):
            with pytest.raises(EngineError, match="out of memory"):
                await engine.rate([1], DIGITS)
        assert len((await engine.rate([1], DIGITS)).probabilities) == 5
    finally:
        engine.close()


async def test_a_generation_cancelled_while_it_runs_gives_its_place_back(make: Make) -> None:
    engine, runner = make(requests=1)
    runner.gate.clear()
    gone = asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=50), ()))
    await asyncio.to_thread(runner.called.acquire)
    gone.cancel()
    await settled()
    runner.gate.set()
    assert len((await asyncio.wait_for(engine.rate([1], DIGITS), 60)).probabilities) == 5


async def test_a_fault_of_another_kind_fails_what_was_taken_in_and_reloads_the_model(
    tiny_model: TinyModel,
) -> None:
    class Broken(StaticBatching):
        def add(self, requests: object) -> None:
            raise RuntimeError("a bug")

    engine = engine_of(
        Broken(open_tiny(tiny_model)), reload=lambda: StaticBatching(open_tiny(tiny_model))
    )
    try:
        with pytest.raises(EngineError, match=r"started again, so try again: a bug"):
            await engine.rate([1], DIGITS)
        assert len((await engine.rate([1], DIGITS)).probabilities) == 5
    finally:
        engine.close()


async def test_where_the_model_cannot_be_reloaded_every_request_fails(
    tiny_model: TinyModel,
) -> None:
    runner = CuedRunner(open_tiny(tiny_model))
    runner.failures += [EngineError("out of memory")] * 9

    def reload() -> StaticBatching:
        raise EngineError("no memory for 3 KV slots")

    engine = engine_of(StaticBatching(runner), reload=reload)
    try:
        for _ in range(3):
            with pytest.raises(EngineError, match="out of memory"):
                await engine.rate([1], DIGITS)
        with pytest.raises(EngineError, match="no memory for 3 KV slots"):
            await engine.rate([1], DIGITS)
    finally:
        engine.close()


async def test_engines_with_one_budget_take_turns(tiny_model: TinyModel) -> None:
    computing, most = 0, 0
    budget = ThreadBudget(1)

    class Watched(CuedRunner):
        def read(self, prompts: Sequence[Sequence[int]]) -> Logits:
            nonlocal computing, most
            computing += 1
            most = max(most, computing)
            time.sleep(0.002)
            try:
                return super().read(prompts)
            finally:
                computing -= 1

    engines = [
        engine_of(
            StaticBatching(Watched(open_tiny(tiny_model)), EngineLimits(rating_batch=1)),
            budget=budget,
        )
        for _ in range(2)
    ]
    try:
        await asyncio.gather(
            *(engine.rate([1, 2], DIGITS) for engine in engines for _ in range(10))
        )
    finally:
        for engine in engines:
            engine.close()
    assert most == 1
