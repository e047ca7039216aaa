"""Chooses tokens from logits on a device.

The device selects the most probable tokens, and the host draws from those.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from models.engine.device import open_session
from models.engine.sampling import Sampler, Shortlist
from schemas.errors import EngineError

SHORTLIST_FILE = "shortlist.onnx"
_COUNT = 256
"""Tokens that are selected for a row: more than a nucleus of 0.95 usually has."""


class Shortlister:
    """Runs the graph of ``models/export/graph/shortlist.py`` on logits where they were computed."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    @classmethod
    def load(cls, file: Path, device: str, memory_gb: float | None) -> "Shortlister":
        """Open the graph. Raises ModelError where it is missing or unusable."""
        return cls(open_session(file, device, 1, memory_gb))

    def choose(self, logits: onnxruntime.OrtValue, samplers: Sequence[Sampler | None]) -> list[int]:
        """The token that each sampler chooses from its row of ``logits`` [rows, vocabulary].

        0 where there is no sampler. Raises EngineError where the computation fails, or the logits
        are not finite.
        """
        shortlists = self._select(logits, samplers)
        tokens = [
            0 if sampler is None else sampler.choose_among(one)
            for sampler, one in zip(samplers, shortlists, strict=True)
        ]
        if None not in tokens:
            return tokens  # type: ignore[return-value]
        # Rare: a draw from every token, or from very many.
        whole = logits.numpy().astype(np.float32, copy=False)
        return [
            sampler.choose(whole[row]) if token is None and sampler is not None else token or 0
            for row, (token, sampler) in enumerate(zip(tokens, samplers, strict=True))
        ]

    def _select(
        self, logits: onnxruntime.OrtValue, samplers: Sequence[Sampler | None]
    ) -> list[Shortlist]:
        vocabulary = logits.shape()[1]
        seen = [[] if sampler is None else [*sampler.penalised] for sampler in samplers]
        # Rows have different numbers of ids. To repeat an id of the row changes nothing, nor does
        # any id with a penalty of 1.
        longest = max(1, *map(len, seen))
        penalised = np.array(
            [ids + (ids or [0])[:1] * (longest - len(ids)) for ids in seen], np.int64
        )
        penalty = [
            s.sampling.repetition_penalty if s is not None and ids else 1.0
            for s, ids in zip(samplers, seen, strict=True)
        ]
        temperature = [
            1.0 if s is None or s.sampling.temperature == 0 else s.sampling.temperature
            for s in samplers
        ]
        try:
            binding = self._session.io_binding()
            binding.bind_ortvalue_input("logits", logits)
            binding.bind_cpu_input("penalised", penalised)
            binding.bind_cpu_input("penalty", np.array(penalty, np.float32)[:, None])
            binding.bind_cpu_input("temperature", np.array(temperature, np.float32)[:, None])
            binding.bind_cpu_input("count", np.array([min(_COUNT, vocabulary)], np.int64))
            for name in ("scores", "ids", "log_sum"):
                binding.bind_output(name, "cpu")
            self._session.run_with_iobinding(binding)
            scores, ids, log_sums = (value.numpy() for value in binding.get_outputs())
        except Exception as error:  # onnxruntime has many error classes and no other common base
            raise EngineError(
                f"onnxruntime failed to select from the logits of {len(samplers)} rows: {error}"
            ) from error
        if not np.isfinite(log_sums).all():
            raise EngineError(
                "the model's logits are not finite: its weights are broken, or its precision "
                "is too low"
            )
        return [
            Shortlist(*row, vocabulary)
            for row in zip(ids, scores, map(float, log_sums), strict=True)
        ]
