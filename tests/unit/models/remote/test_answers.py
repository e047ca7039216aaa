"""What is read from answers, and that nothing a server says raises anything else."""

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.remote.answers import (
    choice_among,
    digit_probabilities,
    echoed_nats,
    has_logprobs,
    used_tokens,
    written_text,
)
from models.remote.refusals import refusal_of, retry_after
from models.remote.usage import Tokens
from schemas.errors import PromptTooLong, RemoteError, RemoteMissing, RemoteUnavailable

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.sampled_from(["stop", "length", "3", " 4", "Score", "abc", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices message content finish_reason logprobs token logprob top_logprobs tokens "
                "token_logprobs text_offset usage prompt_tokens completion_tokens".split()
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


def _token(text: Any, logprob: Any, **top: Any) -> dict[str, Any]:
    alternatives = [{"token": name, "logprob": value} for name, value in top.items()]
    return {"token": text, "logprob": logprob, "top_logprobs": alternatives}


def _answer(*content: Any, **usage: Any) -> dict[str, Any]:
    return {"choices": [{"logprobs": {"content": [*content]}}], "usage": usage}


@given(_VALUES)
def test_any_answer_is_read_or_a_remote_error(value: Any) -> None:
    answers = (
        value,
        {"choices": [value], "usage": value},
        {"choices": [{"message": value, "logprobs": value, "finish_reason": "stop"}]},
        _answer({"token": "3", "logprob": value, "top_logprobs": [value]}),
        _answer(_token("3", value, **{"4": value})),
        {
            "choices": [
                {"logprobs": {"tokens": ["a"], "token_logprobs": [value], "text_offset": [value]}}
            ]
        },
    )
    for answer in answers:
        used_tokens(answer)
        has_logprobs(answer)
        for read in (written_text, digit_probabilities):
            with contextlib.suppress(RemoteError):
                read(answer)
        with contextlib.suppress(RemoteError):
            echoed_nats(answer, "abc", 0, 1)


def test_digits_are_found_whatever_stands_around_them() -> None:
    found = digit_probabilities(
        _answer(
            _token("Score", -0.1, Score=-0.1),
            _token(" 4", math.log(0.5), **{" 4": math.log(0.5), "4": math.log(0.1), "2": -1.6}),
        )
    )
    assert found is not None
    assert found.mass == pytest.approx(0.6 + math.exp(-1.6))
    assert found.probabilities[3] == pytest.approx(0.6 / found.mass)
    assert found.probabilities[0] == 0
    assert digit_probabilities(_answer(_token("Sure", -0.1, Sure=-0.1))) is None


def test_nats_of_a_part_end_with_those_of_the_rest() -> None:
    logprobs = {
        "tokens": ["The", " sky", " is", "\n", "##", "new"],
        "token_logprobs": [None, -1.0, -2.0, -0.25, -0.5, -9.0],
        "text_offset": [0, 3, 7, 10, 11, 13],
    }
    answer = {"choices": [{"logprobs": logprobs}]}
    assert echoed_nats(answer, "The sky is\n##", 3, 10) == [1.0, 2.0, 0.75]
    assert echoed_nats(answer, "The sky is\n##", 0, 10) is None, "the first has no likelihood"
    assert echoed_nats({"choices": [{"text": "x"}]}, "The", 0, 1) is None


def test_a_token_that_opens_every_text_moves_nothing() -> None:
    logprobs = {
        "tokens": ["<s>", "The", " sky", "\n", "new"],
        "token_logprobs": [None, -3.0, -1.0, -0.5, -9.0],
        "text_offset": [0, 3, 6, 10, 11],
    }
    answer = {"choices": [{"logprobs": logprobs}]}
    assert echoed_nats(answer, "The sky\n", 3, 7) == [1.0, 0.5]
    logprobs["tokens"] = ["<s>", "The", " sk\ufffd", "\n", "new"]
    assert echoed_nats(answer, "The sky\n", 3, 7) == [1.0, 0.5], "by the server's offsets"
    del logprobs["text_offset"]
    assert echoed_nats(answer, "The sky\n", 3, 7) is None


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": -1},
        {"prompt_tokens": 1.5},
        {"prompt_tokens": True},
        {"prompt_tokens": 2**70},
    ],
)
def test_counts_that_cannot_be_true_are_not_used(usage: dict[str, Any]) -> None:
    assert used_tokens({"usage": usage}) is None
    assert used_tokens({"usage": {"prompt_tokens": 3}}) == Tokens(3, 0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("soon", None),
        ("nan", None),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("1e9", 3600.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2915 07:28:00 GMT", 3600.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize(
    ("status", "body", "kind", "passing"),
    [
        (429, {"error": {"message": "slow down"}}, RemoteUnavailable, True),
        (404, {"detail": "no model"}, RemoteMissing, False),
        (422, {"message": "wrong"}, RemoteError, False),
        (500, {"error": "wrong"}, RemoteError, True),
        (400, {"error": {"code": "context_length_exceeded", "message": "x"}}, PromptTooLong, False),
        (302, {}, RemoteUnavailable, False),
    ],
)
def test_a_status_tells_who_is_at_fault(
    status: int, body: Any, kind: type[Exception], passing: bool
) -> None:
    found = refusal_of(status, {}, json.dumps(body).encode(), "a server")
    assert (type(found.error), found.passing) == (kind, passing)
    assert str(found.error).startswith(f"a server answered {status}")


def test_the_text_of_an_error_is_one_short_line() -> None:
    body = b"\x1b[31mno\n\n" + b"\xff" * 10_000
    said = str(refusal_of(500, {}, body, "a server").error)
    assert said.isprintable()
    assert len(said) < 400


def test_a_choice_is_told_by_how_its_answer_begins() -> None:
    answer = _answer(_token("**", -0.1), _token("Ye", math.log(0.6), yes=math.log(0.2), no=-3.0))
    found = choice_among(answer, ["Yes", "No"])
    assert found is not None
    yes, no = 0.8, math.exp(-3)
    assert found.mass == pytest.approx(yes + no)
    assert found.probabilities == pytest.approx((yes / (yes + no), no / (yes + no)))


def test_a_beginning_that_two_options_share_counts_for_none() -> None:
    answer = _answer(_token("cl", -0.1), _token("assification", -0.1))
    assert choice_among(answer, ["closed_qa", "classification"]) is None
