"""How good a model is on held-out human pairs. The same code measures a release and its parent."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from models.grades import Pair
from models.prompts import Prompter
from models.sequences import SequenceMaker, TrainingSequence

_BATCH_TOKENS = 2048
"""Tokens in a batch, padding included: bounds the logits in memory."""


def evaluate(model: PreTrainedModel, prompter: Prompter, pairs: Sequence[Pair]) -> dict[str, float]:
    """Figures of ``model`` on ``pairs``, which it was never trained on.

    ``instruction_nll``: nats a token of the true instruction, given the response. ``response_nll``: nats a token of
    the true response, given the instruction under the tag of human data. ``rating_auc``: how often a true pair is
    rated above a response with another pair's instruction, ties counting half; ``rating_true`` and
    ``rating_mismatched``: the mean expected ratings of the two kinds. ``pairs``: how many pairs were measured; those
    that do not fit the model's context are left out. Empty but for ``pairs`` where none fits.
    """
    maker = SequenceMaker(prompter)
    longest = int(getattr(model.config, "max_position_embeddings", None) or 2048)
    mismatched = [
        Pair(other.instruction, pair.response, pair.context) for pair, other in zip(pairs, _rotated(pairs), strict=True)
    ]
    rows = [
        (maker.backward(pair), maker.forward(pair), maker.rating(pair, 5), maker.rating(wrong, 1))
        for pair, wrong in zip(pairs, mismatched, strict=True)
    ]
    rows = [row for row in rows if max(len(sequence.ids) for sequence in row) <= longest]
    if not rows:
        return {"pairs": 0.0}
    backward, forward, true, wrong = (list(column) for column in zip(*rows, strict=True))
    was_training = model.training
    model.eval()
    try:
        ratings_true = expected_ratings(model, prompter, true)
        ratings_wrong = expected_ratings(model, prompter, wrong)
        return {
            "instruction_nll": _nats_per_token(model, backward),
            "response_nll": _nats_per_token(model, forward),
            "rating_auc": auc(np.array(ratings_true), np.array(ratings_wrong)),
            "rating_true": sum(ratings_true) / len(rows),
            "rating_mismatched": sum(ratings_wrong) / len(rows),
            "pairs": float(len(rows)),
        }
    finally:
        model.train(was_training)


def _rotated(pairs: Sequence[Pair]) -> list[Pair]:
    return [*pairs[1:], *pairs[:1]]


def _nats_per_token(model: PreTrainedModel, sequences: Sequence[TrainingSequence]) -> float:
    """Mean negative log-likelihood over all target tokens."""
    nats, tokens = zip(*losses(model, sequences), strict=True)
    return float(sum(nats) / sum(tokens))


def losses(model: PreTrainedModel, sequences: Sequence[TrainingSequence]) -> list[tuple[float, float]]:
    """Weighted nats, and the sum of the weights, of each sequence."""
    found = [(0.0, 0.0)] * len(sequences)
    for members, ids, weights, logits in _passes(model, sequences):
        each = functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
        nats = (each.view(len(members), -1) * weights[:, 1:]).sum(1)
        for member, pair in zip(members, zip(nats.tolist(), weights[:, 1:].sum(1).tolist(), strict=True), strict=True):
            found[member] = pair
    return found


def expected_ratings(model: PreTrainedModel, prompter: Prompter, sequences: Sequence[TrainingSequence]) -> list[float]:
    """The expected rating, 1 to 5, of each sequence that ends in a digit."""
    digits = torch.tensor(prompter.digit_ids, device=model.device)
    scale = torch.arange(1.0, 6.0, device=model.device)
    ratings = [0.0] * len(sequences)
    for members, _, _, logits in _passes(model, sequences):
        for row, member in enumerate(members):
            before = logits[row, len(sequences[member].ids) - 2]
            ratings[member] = float(before[digits].float().softmax(-1) @ scale)
    return ratings


def _passes(
    model: PreTrainedModel, sequences: Sequence[TrainingSequence]
) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Which sequences, their ids [B, T] and weights [B, T], right padded, and logits [B, T, vocabulary]; batch by batch.

    Padding stands on the right, so causal attention needs no mask.
    """
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    while order:
        members: list[int] = []
        while order and (not members or (len(members) + 1) * len(sequences[order[0]].ids) <= _BATCH_TOKENS):
            members.append(order.pop(0))
        ids, weights = pad([sequences[member] for member in members])
        ids, weights = ids.to(model.device), weights.to(model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits
        yield members, ids, weights, logits


def pad(sequences: Sequence[TrainingSequence]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (int64) and loss weights (float32), both [B, T], padded on the right with id 0 and weight 0."""
    length = max(len(sequence.ids) for sequence in sequences)
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    weights = torch.zeros(len(sequences), length)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
        weights[row, : len(sequence.ids)] = torch.tensor(sequence.weights)
    return ids, weights


def auc(above: np.ndarray, below: np.ndarray) -> float:
    """How often one of ``above`` is higher than one of ``below``; a tie is half."""
    difference = above[:, None] - below[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())
