"""Scores texts with a release's graph on a CPU, in either precision and without torch.

The scores are negative log-likelihoods, expected ratings and greedy tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.engine.model_runner import Decode, Prefill
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.prefix_cache import common
from models.engine.sampling import Logits, Sampler, choice_among
from models.engine.sequence import Tokens
from models.precision import Precision
from models.sampling import Sampling

Nats = NDArray[np.float64]

_SHORTEST_PREFIX = 16
"""Fewer tokens in common are computed again: the results then depend on one prompt alone."""


@dataclass(frozen=True, slots=True)
class _Prefilled:
    """What a KV slot holds."""

    prompt: Tokens
    logits: Logits
    """After the prompt, float32 [vocabulary]."""


class GraphScorer:
    """Scores prompts, each in a KV slot of its own session.

    A prefix that the prompt has in common with one that a slot holds is not computed again.
    """

    def __init__(
        self, directory: Path, precision: Precision, threads: int | None = None, *, slots: int = 1
    ) -> None:
        """Open one of a directory's own graphs on the CPU.

        ``slots`` is the most prompts that ``greedy`` continues at once. Raises ModelError where
        the graph cannot be opened.
        """
        self._runner = OnnxModelRunner.load(
            directory / precision.file, device="cpu", threads=threads, slots=slots + 1
        )
        self._rating_slot = slots
        self._prefilled: dict[int, _Prefilled] = {}

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""
        return self._runner.context_window

    def nats(self, prompt: Sequence[int], targets: Sequence[Sequence[int]], slot: int = 0) -> Nats:
        """[targets]: negative log-likelihood of each target after the prompt.

        The prompt is prefilled once. Raises EngineError where the computation fails.
        """
        return np.array([self._nats_of(prompt, target, slot) for target in targets])

    def rating(self, prompt: Sequence[int], digit_ids: Sequence[int]) -> float:
        """The expected rating, 1 to 5, after a rating prompt. Raises EngineError."""
        logits = self._prefill(self._rating_slot, prompt)
        probabilities = choice_among(logits, digit_ids).probabilities
        return sum(digit * p for digit, p in enumerate(probabilities, start=1))

    def greedy(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        """[prompts, tokens]: the most probable tokens after each prompt, one after the other.

        At most ``slots`` prompts; prompt i is prefilled into slot i. Raises EngineError.
        """
        chosen = [
            [int(self._prefill(slot, prompt).argmax())] for slot, prompt in enumerate(prompts)
        ]
        sampler = Sampler(Sampling())
        for step in range(tokens - 1):
            _, following = self._runner.run(
                None,
                [
                    Decode(taken[-1], len(prompt) + step, sampler)
                    for taken, prompt in zip(chosen, prompts, strict=True)
                ],
            )
            for taken, token in zip(chosen, following, strict=True):
                taken.append(token)
        return chosen

    def most_probable(
        self, prompt: Sequence[int], tokens: Sequence[int], slot: int = 0
    ) -> list[int]:
        """[tokens]: the most probable token in the place of each of ``tokens``.

        Each is computed given the tokens before it. Raises EngineError.
        """
        return [int(token) for token in self._along(prompt, tokens, slot).argmax(axis=1)]

    def _nats_of(self, prompt: Sequence[int], target: Sequence[int], slot: int) -> float:
        """Nats of one target. The graph gives those of all its tokens but the first."""
        after = self._prefill(slot, prompt).astype(np.float64)
        highest = after.max()
        first = float(highest + np.log(np.exp(after - highest).sum()) - after[target[0]])
        if len(target) == 1:
            return first
        following = Prefill(slot, target[:-1], len(prompt), targets=target[1:])
        rest, _ = self._runner.run(following, [])
        assert rest is not None
        return first + float(rest.sum(dtype=np.float64))

    def _along(self, prompt: Sequence[int], tokens: Sequence[int], slot: int) -> Logits:
        """[tokens, vocabulary]: the logits that each of ``tokens`` is chosen from."""
        after = self._prefill(slot, prompt)[None]
        if len(tokens) == 1:
            return after
        return np.concatenate([after, self._runner.prefill_logits(slot, tokens[:-1], len(prompt))])

    def _prefill(self, slot: int, prompt: Sequence[int]) -> Logits:
        """The logits after a prompt, float32 [vocabulary]; its keys and values are in the slot."""
        wanted = np.array(prompt, np.int32)
        held = self._prefilled.pop(slot, None)
        if held is None or not np.array_equal(held.prompt, wanted):
            shared = self._share_prefix(slot, held, wanted)
            held = _Prefilled(wanted, self._runner.prefill(slot, prompt[shared:], shared))
        self._prefilled[slot] = held
        return held.logits

    def _share_prefix(self, slot: int, held: _Prefilled | None, prompt: Tokens) -> int:
        """Bring the longest known prefix of a prompt into a slot; returns its length.

        At least one token of the prompt is left to compute: its logits are needed.
        """
        shared = 0 if held is None else _common_prefix(held.prompt, prompt)
        lengths = {
            other: _common_prefix(known.prompt, prompt) for other, known in self._prefilled.items()
        }
        best = max(lengths, key=lambda other: lengths[other], default=slot)
        if lengths.get(best, 0) > shared:
            shared = lengths[best]
            self._runner.copy(best, slot, shared)
        return shared


def _common_prefix(one: Tokens, prompt: Tokens) -> int:
    length = min(common(one, prompt), len(prompt) - 1)
    return length if length >= _SHORTEST_PREFIX else 0
