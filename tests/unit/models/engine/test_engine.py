"""Tokens and ratings that callers get: the same whatever runs beside them."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from models.engine import Engine, EngineLimits, Generation
from models.engine.static.batching import StaticBatching
from models.sampling import Sampling
from schemas.errors import PromptTooLong
from tests.unit.engine_model import CONTEXT, VOCABULARY, CuedRunner, TinyModel, engine_of, open_tiny

DIGITS = (10, 11, 12, 13, 14)


@pytest.fixture
def engine(tiny_model: TinyModel) -> Iterator[Engine]:
    engine = Engine.load(tiny_model.directory, device="cpu", threads=1)
    yield engine
    engine.close()


def prompts(count: int, longest: int = 60, seed: int = 1) -> list[list[int]]:
    generator = random.Random(seed)
    return [
        [generator.randrange(VOCABULARY) for _ in range(generator.randint(1, longest))]
        for _ in range(count)
    ]


async def test_greedy_tokens_are_those_of_transformers(
    engine: Engine, tiny_model: TinyModel
) -> None:
    asked = prompts(20)
    sampling = Sampling(max_tokens=20)
    made = await asyncio.gather(*(engine.generate(prompt, sampling, ()) for prompt in asked))
    assert [g.ids for g in made] == [tiny_model.greedy(prompt, 20) for prompt in asked]
    assert not any(g.finished for g in made)


async def test_a_batch_changes_no_greedy_token_though_rows_leave_it_early(engine: Engine) -> None:
    asked = prompts(30, seed=2)
    samplings = [Sampling(max_tokens=1 + 3 * (index % 9)) for index in range(len(asked))]
    together = await asyncio.gather(
        *(engine.generate(p, s, (5, 9)) for p, s in zip(asked, samplings, strict=True))
    )
    alone = [await engine.generate(p, s, (5, 9)) for p, s in zip(asked, samplings, strict=True)]
    assert together == alone
    assert len({len(g.ids) for g in together}) > 3


async def test_a_batch_changes_no_sampled_token(engine: Engine) -> None:
    asked = prompts(24, seed=3)
    samplings = [
        Sampling(
            temperature=0.9, top_p=0.9, top_k=20, repetition_penalty=1.2, max_tokens=16, seed=index
        )
        for index in range(len(asked))
    ]
    together = await asyncio.gather(
        *(engine.generate(p, s, (5,)) for p, s in zip(asked, samplings, strict=True))
    )
    alone = [await engine.generate(p, s, (5,)) for p, s in zip(asked, samplings, strict=True)]
    assert together == alone


async def test_another_seed_gives_other_tokens(engine: Engine) -> None:
    one, two = await asyncio.gather(
        *(
            engine.generate([1, 2, 3], Sampling(temperature=1.5, max_tokens=20, seed=seed), ())
            for seed in (1, 2)
        )
    )
    assert one.ids != two.ids


async def test_a_stop_token_ends_a_generation_and_is_not_part_of_it(
    engine: Engine, tiny_model: TinyModel
) -> None:
    prompt = prompts(1, seed=4)[0]
    whole = tiny_model.greedy(prompt, 12)
    stop = whole[-1]
    expected = whole[: whole.index(stop)]
    assert await engine.generate(prompt, Sampling(max_tokens=12), (stop,)) == Generation(
        expected, stop
    )
    assert await engine.generate(prompt, Sampling(max_tokens=40), (whole[0],)) == Generation(
        (), whole[0]
    )


async def test_ratings_are_the_models_probabilities_alone_or_together(
    engine: Engine, tiny_model: TinyModel
) -> None:
    asked = prompts(40, seed=5)
    together = await asyncio.gather(*(engine.rate(prompt, DIGITS) for prompt in asked))
    for prompt, rating in zip(asked, together, strict=True):
        wanted = [tiny_model.next_probabilities(prompt)[id] for id in DIGITS]
        assert rating.mass == pytest.approx(sum(wanted), abs=1e-5)
        assert rating.probabilities == pytest.approx([p / sum(wanted) for p in wanted], abs=1e-4)
        assert sum(rating.probabilities) == pytest.approx(1)


async def test_both_kinds_at_once_under_a_narrow_limit(tiny_model: TinyModel) -> None:
    limits = EngineLimits(
        requests=3, call_tokens=64, rating_batch=2, generation_slots=3, generation_tokens=128
    )
    engine = Engine.load(tiny_model.directory, device="cpu", threads=1, limits=limits)
    asked = prompts(15, seed=6)
    made, rated = await asyncio.gather(
        asyncio.gather(*(engine.generate(prompt, Sampling(max_tokens=6), ()) for prompt in asked)),
        asyncio.gather(*(engine.rate(prompt, DIGITS) for prompt in asked)),
    )
    engine.close()
    assert [g.ids for g in made] == [tiny_model.greedy(prompt, 6) for prompt in asked]
    assert len(rated) == 15


async def test_a_prompt_that_does_not_fit_is_refused_at_once_with_both_numbers(
    engine: Engine,
) -> None:
    assert engine.context_window == CONTEXT
    with pytest.raises(PromptTooLong, match=r"90 tokens and 7 new ones.* 96"):
        await engine.generate([1] * 90, Sampling(max_tokens=7), ())
    with pytest.raises(PromptTooLong, match=r"97 tokens .* 96"):
        await engine.rate([1] * 97, DIGITS)
    assert len((await engine.generate([1] * 90, Sampling(max_tokens=6), ())).ids) == 6
    await engine.rate([1] * 96, DIGITS)


async def test_bad_input_is_refused_before_it_reaches_a_batch(engine: Engine) -> None:
    for call, name in (
        (engine.generate([], Sampling(), ()), "prompt is empty"),
        (engine.rate([], DIGITS), "prompt is empty"),
        (engine.generate([VOCABULARY], Sampling(), ()), "prompt has an id"),
        (engine.generate([-1], Sampling(), ()), "prompt has an id"),
        (engine.rate([1], (1, 2, 3, 4, VOCABULARY)), "digit_ids has an id"),
        (engine.rate([1], (1, 2, 3, 4)), "five|5 different"),
        (engine.rate([1], (1, 2, 3, 4, 4)), "five|5 different"),
    ):
        with pytest.raises(ValueError, match=name):
            await call
    assert engine.stats().calls == 0


async def test_stats_count_what_was_answered(engine: Engine) -> None:
    assert engine.device == "cpu"
    await engine.generate([1, 2, 3], Sampling(max_tokens=4), ())
    await engine.rate([1, 2], DIGITS)
    stats = engine.stats()
    assert (stats.requests, stats.prompt_tokens, stats.generated_tokens, stats.prefill_tokens) == (
        2,
        5,
        4,
        5,
    )
    assert stats.busy_seconds > 0


async def test_what_is_queued_runs_together_and_finished_rows_leave(tiny_model: TinyModel) -> None:
    runner = CuedRunner(open_tiny(tiny_model))
    runner.gate.clear()
    engine = engine_of(StaticBatching(runner))
    first = asyncio.create_task(engine.rate([1], DIGITS))
    await asyncio.to_thread(runner.called.acquire)
    waiting = [
        asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=length), ()))
        for length in (2, 4, 4, 4)
    ]
    await asyncio.sleep(0)
    runner.gate.set()
    await asyncio.gather(first, *waiting)
    engine.close()
    assert runner.calls == [
        ("read", 1),
        ("start", 4),
        ("join", 1),
        ("step", 4),
        ("keep", 3),
        ("step", 3),
        ("step", 3),
    ]


def test_callers_from_several_event_loops(engine: Engine, tiny_model: TinyModel) -> None:
    asked = prompts(6, seed=8)

    async def ask() -> list[Generation]:
        return await asyncio.gather(
            *(engine.generate(prompt, Sampling(max_tokens=5), ()) for prompt in asked)
        )

    async def from_other_loops() -> list[list[Generation]]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, ask()) for _ in range(3)))

    wanted = [tiny_model.greedy(prompt, 5) for prompt in asked]
    for made in asyncio.run(from_other_loops()):
        assert [g.ids for g in made] == wanted


async def test_a_choice_has_the_probabilities_of_its_tokens(engine: Engine) -> None:
    prompt = prompts(1, seed=5)[0]
    rating = await engine.rate(prompt, DIGITS)
    choice = await engine.choose(prompt, DIGITS)
    assert (choice.probabilities, choice.mass) == (rating.probabilities, rating.mass)
    two = await engine.choose(prompt, (14, 10))
    share = rating.probabilities[4] / (rating.probabilities[4] + rating.probabilities[0])
    assert two.probabilities == pytest.approx((share, 1 - share))
    assert two.mass < choice.mass
    for options in ((), (10, 10)):
        with pytest.raises(ValueError, match="different ids"):
            await engine.choose(prompt, options)
