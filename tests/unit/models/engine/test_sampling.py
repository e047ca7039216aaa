"""Choosing tokens: pure functions of logits and a seed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.sampling import Sampler, Shortlist, choice_among
from models.sampling import Sampling


def draws(sampling: Sampling, logits: list[float], count: int) -> list[int]:
    sampler = Sampler(sampling)
    return [sampler.choose(np.array(logits, np.float32)) for _ in range(count)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": math.nan},
        {"top_k": -1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": math.inf},
        {"max_tokens": 0},
        {"seed": -1},
        {"seed": 2**64},
    ],
)
def test_a_value_out_of_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_zero_temperature_takes_the_most_probable() -> None:
    assert draws(Sampling(top_k=1, top_p=0.1, seed=5), [0.0, 3.0, 1.0], 3) == [1, 1, 1]


def test_equal_logits_go_to_the_lowest_id() -> None:
    assert draws(Sampling(), [1.0, 2.0, 2.0], 1) == [1]


def test_a_penalty_acts_on_generated_ids_of_either_sign() -> None:
    assert draws(Sampling(repetition_penalty=2.0), [3.0, 2.0, 1.9], 4) == [0, 1, 2, 0]
    assert draws(Sampling(repetition_penalty=2.0), [-1.0, -1.5, -9.0], 2) == [0, 1]


def test_a_penalty_leaves_the_logits_as_they_were() -> None:
    logits = np.array([1.0, 2.0], np.float32)
    sampler = Sampler(Sampling(repetition_penalty=3.0))
    assert [sampler.choose(logits) for _ in range(2)] == [1, 0]
    assert logits.tolist() == [1.0, 2.0]


def test_the_seed_alone_decides() -> None:
    flat = [0.0] * 50
    first = draws(Sampling(temperature=1.0, seed=3), flat, 30)
    assert first == draws(Sampling(temperature=1.0, seed=3), flat, 30)
    assert first != draws(Sampling(temperature=1.0, seed=4), flat, 30)


def test_one_uniform_number_a_step_whatever_the_candidates() -> None:
    sure, flat = np.array([99.0] + [0.0] * 49, np.float32), np.zeros(50, np.float32)
    one, two = (Sampler(Sampling(temperature=1.0, seed=3)) for _ in range(2))
    one.choose(sure)
    two.choose(flat)
    assert one.choose(flat) == two.choose(flat)


def test_frequencies_follow_the_tempered_probabilities() -> None:
    counts = (
        np.bincount(
            draws(Sampling(temperature=2.0, seed=1), [0.0, 2 * math.log(3.0)], 4000), minlength=2
        )
        / 4000
    )
    assert counts == pytest.approx([0.25, 0.75], abs=0.03)


def test_top_k_keeps_the_most_probable() -> None:
    assert set(draws(Sampling(temperature=5.0, top_k=2, seed=1), [1.0, 0.0, 1.1, 0.9], 200)) == {
        0,
        2,
    }


def test_top_p_keeps_the_fewest_that_hold_the_share() -> None:
    logits = np.log([0.5, 0.3, 0.15, 0.05]).tolist()
    assert set(draws(Sampling(temperature=1.0, top_p=0.75, seed=1), logits, 300)) == {0, 1}
    assert set(draws(Sampling(temperature=1.0, top_p=0.01, seed=1), logits, 50)) == {0}


def test_top_p_counts_within_top_k() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1]).tolist()
    assert set(draws(Sampling(temperature=1.0, top_k=2, top_p=0.5, seed=1), logits, 300)) == {0}


@given(
    logits=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20),
    temperature=st.floats(0.01, 10),
    top_p=st.floats(0.01, 1),
    top_k=st.integers(0, 25),
    seed=st.integers(0, 2**64 - 1),
)
def test_a_token_is_always_one_of_the_vocabulary(
    logits: list[float], temperature: float, top_p: float, top_k: int, seed: int
) -> None:
    (token,) = draws(
        Sampling(temperature=temperature, top_p=top_p, top_k=top_k, seed=seed), logits, 1
    )
    assert 0 <= token < len(logits)


def test_digits_are_renormalised_and_their_mass_is_returned() -> None:
    logits = np.log(np.array([0.5, 0.05, 0.05, 0.1, 0.1, 0.2], np.float32))
    rating = choice_among(logits, (1, 2, 3, 4, 5))
    assert rating.probabilities == pytest.approx((0.1, 0.1, 0.2, 0.2, 0.4), abs=1e-6)
    assert rating.mass == pytest.approx(0.5, abs=1e-6)


def test_digits_that_the_model_never_meant_still_have_probabilities() -> None:
    logits = np.array([5000.0, 1.0, 1.0, 1.0, 1.0, 1.0], np.float32)
    rating = choice_among(logits, (1, 2, 3, 4, 5))
    assert rating.probabilities == pytest.approx((0.2,) * 5)
    assert rating.mass == 0.0


_FIRST = ((0, 1.0), (2, 3.0))


def test_the_first_token_is_drawn_by_weight_and_the_root_of_its_probability() -> None:
    logits = [math.log(0.25), 5.0, math.log(0.04)]  # roots 0.5 and 0.2; with weights 0.5 and 0.6
    drawn = [draws(Sampling(first=_FIRST, seed=seed), logits, 1)[0] for seed in range(2000)]
    assert set(drawn) == {0, 2}, "others are never drawn"
    assert drawn.count(2) / len(drawn) == pytest.approx(0.6 / 1.1, abs=0.04)
    assert draws(Sampling(first=_FIRST, seed=7), logits, 1) == [drawn[7]]


def test_an_improbable_first_token_is_not_drawn() -> None:
    logits = [math.log(0.5), math.log(0.3), math.log(0.04)]  # shares 1, 0.6 and 0.08

    def drawn(least: float, *first: tuple[int, float]) -> set[int]:
        sampling = Sampling(first=first, first_least=least)
        return {draws(replace(sampling, seed=seed), logits, 1)[0] for seed in range(200)}

    assert drawn(0.1, (1, 1.0), (2, 50.0)) == {1}
    assert drawn(0.05, (1, 1.0), (2, 50.0)) == {1, 2}
    assert drawn(0.7, (1, 1.0), (2, 50.0)) == {0}, "none may be drawn, so the first is greedy"
    with pytest.raises(ValueError, match="first_least"):
        Sampling(first_least=1.5)


def test_later_tokens_are_chosen_as_ever() -> None:
    assert draws(Sampling(first=((0, 1.0),)), [0.0, 3.0, 1.0], 3) == [0, 1, 1]
    assert draws(Sampling(first=((1, 1.0),), repetition_penalty=9.0), [1.0, 3.0, 2.0], 2) == [1, 2]


def test_a_shortlist_may_lack_what_the_first_token_is_drawn_from() -> None:
    sampler = Sampler(Sampling(first=_FIRST))
    shortlist = Shortlist(np.array([1]), np.array([5.0], np.float32), 5.0, 3)
    assert sampler.choose_among(shortlist) is None
    sampler.choose(np.array([1.0, 5.0, 1.0], np.float32))
    assert sampler.choose_among(shortlist) == 1


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_of_a_first_token_is_over_zero(weight: float) -> None:
    with pytest.raises(ValueError, match="first"):
        Sampling(first=((0, weight),))
