"""Measurement of a model on held-out human pairs, the same for a release and its parent."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from models.evaluation.metrics import Array, Measurements
from models.progress import Report, at_intervals
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.seeds.labelled import LABELS, labelled
from models.seeds.pairs import Pair

_BATCH_TOKENS = 2048
"""Most tokens of a batch, padding included. It bounds the memory of the logits."""


def measure(
    model: PreTrainedModel,
    prompter: Prompter,
    pairs: Sequence[Pair],
    ratings: Array | None = None,
    report: Report = lambda line: None,
) -> Measurements:
    """Measure a model on held-out pairs, and on the labelled pairs made from each.

    ``ratings``, [N, L], are those that ``labelled(pairs)`` get where the model is served, NaN for
    none. Without them the model rates by digits. A pair is left out where it does not fit the
    model's context, or a labelled pair made from it has no rating. ``report`` gets a line every few
    seconds.
    """
    maker = SequenceMaker(prompter)
    to_rate = labelled(pairs) if ratings is None else [[] for _ in pairs]
    rows = [
        (
            maker.backward(pair),
            maker.forward(pair),
            *(maker.rating(graded.pair, graded.grade) for graded in made),
        )
        for pair, made in zip(pairs, to_rate, strict=True)
    ]
    longest = _context_length(model)
    kept = [
        number
        for number, row in enumerate(rows)
        if max(len(sequence.ids) for sequence in row) <= longest
        and (ratings is None or np.isfinite(ratings[number]).all())
    ]
    every = [rows[number] for number in kept]
    was_training = model.training
    model.eval()
    try:
        rated = (
            np.array(expected_ratings(model, prompter, [s for row in every for s in row[2:]]))
            if ratings is None
            else ratings[kept]
        )
        return Measurements(
            tuple(kept),
            np.array(losses(model, [row[0] for row in every], report)).reshape(-1, 2),
            np.array(losses(model, [row[1] for row in every], report)).reshape(-1, 2),
            LABELS,
            rated.reshape(-1, len(LABELS)),
        )
    finally:
        model.train(was_training)


def _context_length(model: PreTrainedModel) -> int:
    """Most tokens of a sequence that a model takes."""
    return int(getattr(model.config, "max_position_embeddings", None) or 2048)


def losses(
    model: PreTrainedModel,
    sequences: Sequence[TrainingSequence],
    report: Report = lambda line: None,
) -> list[tuple[float, float]]:
    """Weighted loss in nats and sum of weights, for each sequence."""
    found = [(0.0, 0.0)] * len(sequences)
    tick, done = at_intervals(report), 0
    for members, ids, weights, logits in _passes(model, sequences):
        each = functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none"
        )
        nats = (each.view(len(members), -1) * weights[:, 1:]).sum(1)
        for member, pair in zip(
            members, zip(nats.tolist(), weights[:, 1:].sum(1).tolist(), strict=True), strict=True
        ):
            found[member] = pair
        done += len(members)
        tick(f"measuring: {done} of {len(sequences)} held-out pairs")
    return found


def expected_ratings(
    model: PreTrainedModel, prompter: Prompter, sequences: Sequence[TrainingSequence]
) -> list[float]:
    """Expected rating, 1 to 5, of each sequence; each must end in a digit."""
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
    """Yield batches: the sequences' numbers, ids [B, T], weights [B, T], logits [B, T, vocabulary].

    Padding is on the right, so causal attention needs no mask.
    """
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    while order:
        members: list[int] = []
        while order and (
            not members or (len(members) + 1) * len(sequences[order[0]].ids) <= _BATCH_TOKENS
        ):
            members.append(order.pop(0))
        ids, weights = pad([sequences[member] for member in members])
        ids, weights = ids.to(model.device), weights.to(model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits
        yield members, ids, weights, logits


def pad(sequences: Sequence[TrainingSequence]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (int64) and loss weights (float32), both [B, T], padded on the right with zeros."""
    length = max(len(sequence.ids) for sequence in sequences)
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    weights = torch.zeros(len(sequences), length)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
        weights[row, : len(sequence.ids)] = torch.tensor(sequence.weights)
    return ids, weights
