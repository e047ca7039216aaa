"""Scores of a graph: equal to those of transformers, whatever its KV slots held before."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from models.export.likelihood import GraphScorer
from models.precision import Precision
from tests.unit.models.export.test_graph import VOCABULARY, make_model, write

DIGITS = (10, 11, 12, 13, 14)
PREFIX = [n * 5 % VOCABULARY for n in range(40)]
PROMPTS = [[*PREFIX, 1, 2, 3], [*PREFIX[:30], 4, 5], [*PREFIX, 1, 2, 3, 6], [7, 8]]
TARGETS = [[9, 3, 1], [2]]


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return make_model("llama")


@pytest.fixture(scope="module")
def scorer(model: PreTrainedModel, tmp_path_factory: pytest.TempPathFactory) -> GraphScorer:
    directory = write(model, tmp_path_factory.mktemp("scorer") / "model")
    return GraphScorer(directory, Precision.FP32, threads=1, slots=len(PROMPTS))


def log_probabilities(model: PreTrainedModel, text: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([text])).logits[0].double().log_softmax(-1)


def test_nats_are_those_of_transformers(model: PreTrainedModel, scorer: GraphScorer) -> None:
    for slot in (0, 0, 1):
        for prompt in PROMPTS:
            expected = [
                -sum(
                    float(log_probabilities(model, [*prompt, *target])[len(prompt) - 1 + n, token])
                    for n, token in enumerate(target)
                )
                for target in TARGETS
            ]
            assert scorer.nats(prompt, TARGETS, slot) == pytest.approx(expected, abs=1e-3)


def test_ratings_are_those_of_transformers(model: PreTrainedModel, scorer: GraphScorer) -> None:
    for prompt in PROMPTS:
        digits = log_probabilities(model, prompt)[-1, list(DIGITS)].softmax(-1)
        expected = float(np.dot(digits.numpy(), range(1, 6)))
        assert scorer.rating(prompt, DIGITS) == pytest.approx(expected, abs=1e-3)


def test_greedy_tokens_are_the_most_probable(model: PreTrainedModel, scorer: GraphScorer) -> None:
    answers = scorer.greedy(PROMPTS, 6)
    for slot, (prompt, answer) in enumerate(zip(PROMPTS, answers, strict=True)):
        after = log_probabilities(model, [*prompt, *answer])[len(prompt) - 1 : -1]
        assert answer == after.argmax(-1).tolist()
        assert scorer.most_probable(prompt, answer, slot) == answer
