"""The promotion gate: which figures of a release put it into service."""

import math

import pytest

from models.gate import judge

_PARENT = {"instruction_nll": 3.0, "response_nll": 2.0, "rating_auc": 0.8, "pairs": 12.0}


def _figures(**changes: float) -> dict[str, float]:
    return {**_PARENT, **{name: _PARENT[name] + change for name, change in changes.items()}}


def test_a_better_release_is_promoted_with_its_reason() -> None:
    verdict = judge(_figures(instruction_nll=-0.2, response_nll=-0.1, rating_auc=0.01), _PARENT)
    assert verdict.promote
    assert verdict.reason == "held-out NLL -0.150 nats a token, rating AUC +0.010"


def test_the_same_figures_are_not_enough() -> None:
    verdict = judge(_PARENT, _PARENT)
    assert not verdict.promote
    assert "did not fall (+0.000" in verdict.reason


@pytest.mark.parametrize(
    ("changes", "promote"),
    [
        ({"instruction_nll": -0.3, "response_nll": 0.1}, True),  # the mean counts
        ({"instruction_nll": 0.3, "response_nll": -0.1}, False),
        ({"response_nll": 0.001}, False),
        ({"response_nll": -0.001}, True),
        ({"response_nll": -0.5, "rating_auc": -0.02}, True),  # a rating AUC on few pairs wavers by so much
        ({"response_nll": -0.5, "rating_auc": -0.04}, False),
        ({"response_nll": 0.5, "rating_auc": 0.2}, False),
    ],
)
def test_both_nlls_and_the_auc_are_weighed(changes: dict[str, float], promote: bool) -> None:
    verdict = judge(_figures(**changes), _PARENT)
    assert verdict.promote is promote
    assert verdict.reason


@pytest.mark.parametrize("name", ["instruction_nll", "response_nll", "rating_auc"])
def test_a_figure_that_is_no_number_never_promotes(name: str) -> None:
    assert not judge({**_figures(instruction_nll=-1), name: math.nan}, _PARENT).promote


@pytest.mark.parametrize("name", ["instruction_nll", "response_nll", "rating_auc"])
def test_a_missing_figure_is_not_passed_over(name: str) -> None:
    figures = {key: value for key, value in _PARENT.items() if key != name}
    with pytest.raises(KeyError):
        judge(figures, _PARENT)
