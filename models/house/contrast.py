"""Trains the ratings of several instructions for one response in one pass.

The response is by far the longest part, so one pass over it with a true and three wrong
instructions gives four ratings for little more than the cost of one. Each instruction is a branch
after the shared response. Branches have the same positions and do not attend to each other.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.seeds.grades import GradedPair


@dataclass(frozen=True, slots=True)
class ContrastSequence(TrainingSequence):
    """A shared prompt followed by branches."""

    ends: tuple[int, ...]
    """``ends[0]`` is the end of the prompt, ``ends[k]`` that of branch k, both exclusive."""


def contrast(maker: SequenceMaker, graded: Sequence[GradedPair]) -> ContrastSequence:
    """Return one sequence with the ratings of pairs that share response and context.

    If the first pair has grade 5, its instruction is a target too. Only the first branch follows
    the prompt directly in ``ids``, so only its first token can be predicted from the prompt. The
    rating of the first pair has the weight of all others together: otherwise an untrained model
    learns to rate everything low.
    """
    shared = graded[0].pair
    prompt = len(maker.prompter.backward(shared.response, shared.context))
    ids: list[int] = []
    weights: list[float] = []
    ends: list[int] = []
    for index, each in enumerate(graded):
        taught = 1.0 if each.grade == 5 and index == 0 else 0.0
        branch = maker.rating(each.pair, each.grade, taught)
        if not ids:
            ids, weights, ends = list(branch.ids[:prompt]), list(branch.weights[:prompt]), [prompt]
        ids += branch.ids[prompt:]
        weights += branch.weights[prompt:]
        ends.append(len(ids))
    weights[ends[1] - 1] *= max(1, len(graded) - 1)
    return ContrastSequence(tuple(ids), tuple(weights), tuple(ends))


def layout(batch: Sequence[TrainingSequence], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return positions, int64 [rows, length], and mask, bool [rows, 1, length, length].

    The mask is True where a token attends to another.
    """
    positions = torch.arange(length).repeat(len(batch), 1)
    branches = torch.zeros(len(batch), length, dtype=torch.long)
    for row, sequence in enumerate(batch):
        ends = sequence.ends if isinstance(sequence, ContrastSequence) else ()
        for branch, (start, end) in enumerate(itertools.pairwise(ends), start=1):
            branches[row, start:end] = branch
            positions[row, start:end] -= start - ends[0]
    before = torch.ones(length, length, dtype=torch.bool).tril()
    shared_or_own = (branches[:, None, :] == 0) | (branches[:, None, :] == branches[:, :, None])
    return positions, (before & shared_or_own)[:, None]
