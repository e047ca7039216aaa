"""Several replicas over the same weights: which prompt goes where, and what they share."""

import asyncio
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine import Engine, EngineLimits, Generation, ThreadBudget
from models.engine.core import EngineCore
from models.engine.loading import replica_count
from models.engine.replica import Replica
from models.engine.routing import Router
from models.engine.static.batching import StaticBatching
from models.sampling import Sampling
from schemas.errors import EngineError
from tests.unit.engine_model import TinyModel, open_tiny
from tests.unit.models.export.test_graph import assert_greedy, make_model, prompts, write

DIGITS = (10, 11, 12, 13, 14)
TEMPLATE = list(range(200))


def take(router: Router, prompt: list[int]) -> int:
    """The replica of a rating."""
    return router.take(prompt, len(prompt))


def passage(number: int, length: int = 300) -> list[int]:
    return [1000 * number + position for position in range(length)]


def test_prompts_with_nothing_in_common_are_spread() -> None:
    router = Router(3)
    assert [take(router, passage(number)) for number in range(1, 7)] == [0, 1, 2, 0, 1, 2]


def test_a_rating_follows_its_passage_even_where_more_waits() -> None:
    router = Router(2)
    home = take(router, passage(1))
    take(router, passage(2))  # the other replica is at work as well
    for number in (3, 4, 5):
        take(router, passage(number))
    take(router, passage(9, 3000))
    assert take(router, [*passage(1), 7, 8, 9]) == home


def test_a_replica_without_work_takes_what_another_has_read_before() -> None:
    router = Router(2)
    assert take(router, [*TEMPLATE, *passage(1)]) == 0
    assert take(router, [*TEMPLATE, *passage(2)]) == 1


def test_a_template_that_all_share_does_not_keep_its_prompts_together() -> None:
    router = Router(2)
    replicas = [take(router, [*TEMPLATE, *passage(number)]) for number in range(1, 21)]
    assert replicas.count(0) == replicas.count(1) == 10


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 200), st.booleans()), max_size=60),
    st.integers(1, 4),
)
def test_what_is_done_does_not_wait(asked: list[tuple[int, int, bool]], replicas: int) -> None:
    router = Router(replicas)
    waiting: list[tuple[int, list[int]]] = []
    for number, length, answered in asked:
        prompt = passage(number, length)
        waiting.append((take(router, prompt), prompt))
        if answered:
            replica, prompt = waiting.pop(0)
            router.done(replica, len(prompt))
    for replica, prompt in waiting:
        router.done(replica, len(prompt))
    # Nothing waits anywhere, so that new prompts are spread from the first replica on.
    assert [take(router, passage(100 + number)) for number in range(replicas)] == list(
        range(replicas)
    )


@pytest.mark.parametrize(
    ("size", "threads", "replicas"),
    [
        (1_000_000, 2, 2),
        (1_000_000, 16, 16),
        (400_000_000, 16, 2),
        (3_000_000_000, 16, 1),
        (1, 1, 1),
    ],
)
def test_small_models_have_a_replica_a_thread_and_large_ones_fewer(
    tmp_path: Path, size: int, threads: int, replicas: int
) -> None:
    file = tmp_path / "decoder.onnx"
    with file.open("wb") as sparse:
        sparse.truncate(size)
    assert replica_count(file, threads) == replicas


def test_weights_beside_the_graph_count(tmp_path: Path) -> None:
    file = tmp_path / "decoder.onnx"
    for name, size in (("decoder.onnx", 1_000), ("decoder.onnx.data", 3_000_000_000)):
        with (tmp_path / name).open("wb") as sparse:
            sparse.truncate(size)
    assert replica_count(file, 16) == 1


def test_what_is_held_is_divided_between_replicas() -> None:
    two = EngineLimits(requests=1001, generation_slots=16, prefix_slots=32).divided(2)
    assert (two.requests, two.generation_slots, two.prefix_slots, two.chunk_tokens) == (
        501,
        8,
        16,
        192,
    )
    many = EngineLimits(requests=8, generation_slots=2, prefix_slots=32).divided(16)
    assert (many.requests, many.generation_slots, many.prefix_slots) == (1, 2, 4)


@pytest.mark.parametrize("threads", [1, 3])
async def test_replicas_give_the_tokens_of_transformers(tmp_path: Path, threads: int) -> None:
    model = make_model("qwen3")
    engine = Engine.load(write(model, tmp_path / "model"), device="cpu", threads=threads)
    asked, places = prompts(60), asyncio.Semaphore(12)

    async def write_and_rate(prompt: list[int]) -> Generation:
        async with places:
            written = await engine.generate(prompt, Sampling(max_tokens=12), ())
            await engine.rate([*prompt, *written.ids], DIGITS)
            return written

    try:
        assert engine.replicas == threads
        written = await asyncio.gather(*map(write_and_rate, asked))
        stats = engine.stats()
    finally:
        engine.close()
    for prompt, one in zip(asked, written, strict=True):
        assert_greedy(model, prompt, one.ids)
    assert (stats.requests, stats.generated_tokens) == (120, 12 * 60)
    rated = sum(len(prompt) + 12 for prompt in asked)
    assert stats.reused_tokens > 0.8 * rated, "ratings did not find their passages"


async def test_a_fault_in_one_replica_does_not_reach_another(tiny_model: TinyModel) -> None:
    class Broken(StaticBatching):
        def add(self, requests: object) -> None:
            raise RuntimeError("a bug")

    def whole() -> EngineCore:
        return StaticBatching(open_tiny(tiny_model))

    replicas = [Replica(Broken(open_tiny(tiny_model)), reload=whole), Replica(whole())]
    engine = Engine(replicas)
    try:
        both = await asyncio.gather(
            engine.rate([1], DIGITS), engine.rate([2], DIGITS), return_exceptions=True
        )
        assert isinstance(both[0], EngineError)
        assert not isinstance(both[1], BaseException)
        await asyncio.gather(engine.rate([1], DIGITS), engine.rate([2], DIGITS))
    finally:
        engine.close()


def test_a_budget_is_never_exceeded_and_large_takers_get_their_turn() -> None:
    budget = ThreadBudget(3)
    guard = threading.Lock()
    taken, most, turns = 0, 0, {1: 0, 2: 0, 9: 0}
    until = time.monotonic() + 0.3

    def compute(threads: int) -> None:
        nonlocal taken, most
        while time.monotonic() < until:
            with budget.acquired(threads):
                with guard:
                    taken += min(threads, 3)
                    most = max(most, taken)
                    turns[threads] += 1
                time.sleep(0.001)
                with guard:
                    taken -= min(threads, 3)

    workers = [threading.Thread(target=compute, args=(threads,)) for threads in (1, 1, 1, 1, 2, 9)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 3
    assert turns[9] > sum(turns.values()) / 20  # one in six would be its share
