"""How well a model finds the instruction that a response answers."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from models.evaluation import pad
from models.grades import Pair
from models.prompts import Prompter
from models.sequences import TrainingSequence

_ROWS = 8
"""Instructions in one pass of the model. More are slower: their logits are memory that the kernel has to clear each time."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Nats of every instruction, its end included, after every response. ``tokens`` and ``alone`` are [N]."""

    after: np.ndarray
    """[N, N]: row r, column i is instruction i after response r."""
    alone: np.ndarray
    """After no response."""
    tokens: np.ndarray

    @classmethod
    def measure(cls, model: PreTrainedModel, prompter: Prompter, pairs: Sequence[Pair]) -> "Recovery":
        """One pass for each response and 8 instructions. The pairs' contexts are not shown."""
        targets = [prompter.target(pair.instruction) for pair in pairs]
        after = np.stack([_nats(model, prompter.backward(pair.response), targets) for pair in pairs])
        return cls(after, _nats(model, prompter.backward(""), targets), np.array([len(target) for target in targets]))

    @property
    def own(self) -> np.ndarray:
        """[N]: nats of each instruction after its own response."""
        return np.diagonal(self.after)

    @property
    def other(self) -> np.ndarray:
        """[N]: mean nats of each instruction after the other responses."""
        return (self.after.sum(0) - self.own) / (len(self.tokens) - 1)

    def first_of(self, count: int) -> np.ndarray:
        """[N]: the chance that an instruction gains more from its own response than ``count`` - 1 others drawn at random.

        The gain is the NLL a token without the response less the NLL with it. A tie is a loss.
        """
        gains = (self.alone - self.after) / self.tokens
        better = (gains >= np.diagonal(gains)[:, None]).sum(1) - 1
        rivals = len(self.tokens) - 1
        return np.array([math.comb(rivals - int(b), count - 1) / math.comb(rivals, count - 1) for b in better])


def _nats(model: PreTrainedModel, prompt: list[int], targets: Sequence[list[int]]) -> np.ndarray:
    """Nats of each target after the prompt, which is read once."""
    with torch.inference_mode():
        return _nats_after(model(input_ids=torch.tensor([prompt]), use_cache=True), model, targets)


def _nats_after(start: Any, model: PreTrainedModel, targets: Sequence[list[int]]) -> np.ndarray:
    nats = np.zeros(len(targets))
    order = sorted(range(len(targets)), key=lambda index: len(targets[index]))  # like lengths together: little is padding
    for first in range(0, len(targets), _ROWS):
        members = order[first : first + _ROWS]
        ids, weights = pad([TrainingSequence(tuple(targets[m]), (1.0,) * len(targets[m])) for m in members])
        cache = copy.deepcopy(start.past_key_values)
        cache.batch_repeat_interleave(len(members))
        logits = model(input_ids=ids[:, :-1], past_key_values=cache).logits
        logits = torch.cat([start.logits[:, -1:].expand(len(members), -1, -1), logits], dim=1)
        losses = functional.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), reduction="none")
        nats[members] = (losses.view_as(weights) * weights).sum(1).numpy()
    return nats
