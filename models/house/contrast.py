"""One response under several instructions, each with its own rating, in one pass.

The response is by far the longest part, so reading it once for a true and three wrong instructions
gives four ratings for little more than the price of one. The branches share the response's
positions and do not see each other.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.seeds.grades import GradedPair


@dataclass(frozen=True, slots=True)
class ContrastSequence(TrainingSequence):
    """A shared prompt followed by branches. ``ends[0]`` is where the prompt ends, ``ends[k]`` where
    branch k does.
    """

    ends: tuple[int, ...]


def contrast(maker: SequenceMaker, graded: Sequence[GradedPair]) -> ContrastSequence:
    """The ratings of pairs that share a response and a context. A 5's instruction is a target too;
    it must come first.

    Only the first branch follows the prompt in ``ids``, so only its first token can be predicted
    from the prompt. Its rating weighs as much as those of all rivals together: a model that has
    learnt nothing yet should not say 1.
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
    """Positions, int64 [rows, length], and what each token may see, bool [rows, 1, length,
    length].
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
