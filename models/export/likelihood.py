"""What a release's graph thinks of texts: nats of a continuation, expected ratings. Without torch,
in either precision.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.engine.onnx_runner import OnnxModelRunner
from models.engine.precision import Precision
from models.engine.sampling import Logits, digit_probabilities

Nats = NDArray[np.float64]


class GraphScorer:
    """Reads prompts one at a time, through the graph that the engine serves. Owns its session."""

    def __init__(self, directory: Path, precision: Precision, threads: int | None = None) -> None:
        """Open one of a directory's own graphs on the CPU. Raises ModelError where that is not
        possible.
        """
        self._session = OnnxModelRunner.load(
            directory / precision.file, device="cpu", threads=threads, slots=1
        )

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""
        return self._session.context_window

    def nats(self, prompt: Sequence[int], targets: Sequence[Sequence[int]]) -> Nats:
        """[targets]: negative log-likelihood of each target after the prompt, which is read
        once.
        """
        after = self._session.prefill(0, prompt, 0)
        return np.array([self._nats_after(after, len(prompt), target) for target in targets])

    def rating(self, prompt: Sequence[int], digit_ids: Sequence[int]) -> float:
        """The expected rating, 1 to 5, where a digit is due."""
        probabilities = digit_probabilities(
            self._session.prefill(0, prompt, 0), digit_ids
        ).probabilities
        return sum(digit * p for digit, p in enumerate(probabilities, start=1))

    def greedy(self, prompt: Sequence[int], tokens: int) -> list[int]:
        """So many of the most probable tokens, one after the other."""
        taken: list[int] = []
        logits = self._session.prefill(0, prompt, 0)
        while len(taken) < tokens:
            taken.append(int(logits.argmax()))
            logits = self._session.prefill(0, taken[-1:], len(prompt) + len(taken) - 1)
        return taken

    def best(self, prompt: Sequence[int], tokens: Sequence[int]) -> list[int]:
        """[tokens]: the most probable token in the place of each of ``tokens``, those before it
        given.
        """
        logits = self._session.prefill_logits(0, [*prompt, *tokens[:-1]], 0)
        return [int(token) for token in logits[len(prompt) - 1 :].argmax(axis=1)]

    def _nats_after(self, after: Logits, past: int, target: Sequence[int]) -> float:
        logits = after[None]
        if len(target) > 1:
            logits = np.concatenate([logits, self._session.prefill_logits(0, target[:-1], past)])
        scores = logits.astype(np.float64)
        highest = scores.max(axis=1)
        sums = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
        return float((sums - scores[np.arange(len(target)), list(target)]).sum())
