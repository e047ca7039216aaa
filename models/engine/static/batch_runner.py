"""Runs the plain graph of a decoder: prompts and tokens in, logits of the last position out.

The graph is optimum's ``text-generation-with-past`` export: ``input_ids``, ``attention_mask``,
``position_ids`` and ``past_key_values.*`` in, ``logits`` and ``present.*`` out. Prompts of a batch
are padded on the left, so that the last position is every row's own last token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engine.context_window import context_window_of
from models.engine.core import ModelInfo
from models.engine.device import open_session
from models.engine.sampling import Logits, Nats, negative_log_probabilities
from models.precision import MODEL_FILE
from schemas.errors import EngineError, ModelError

C = TypeVar("C")
_Prompts = Sequence[Sequence[int]]
_Integers = NDArray[np.int64]
_FLOATS: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
_LOGITS_BYTES = 512 * 2**20
"""Most memory for the logits of a prompt batch: the plain graph gives them for all positions."""


class BatchRunner(ModelInfo, Protocol[C]):
    """A model that computes whole batches. ``C`` is the cache of a batch.

    Rows of a batch keep their order. Logits are float32 [rows, vocabulary]. All methods are called
    by one thread. They raise EngineError where the computation fails; the batch is lost then, but
    the runner remains usable.
    """

    @property
    def most_tokens(self) -> int:
        """Most tokens, padding included, to give to one call."""

    def read(self, prompts: _Prompts) -> Logits:
        """Logits after each prompt."""

    def score(self, texts: _Prompts, targets: _Prompts) -> list[Nats]:
        """The negative log-probabilities of each text's targets.

        The last target follows the last token of its text, the one before it the last but one, and
        so on.
        """

    def start(self, prompts: _Prompts) -> tuple[C, Logits]:
        """Logits after each prompt, and the cache to continue from."""

    def step(self, cache: C, tokens: Sequence[int]) -> Logits:
        """Append one token to every row; logits after it. Changes the cache."""

    def join(self, caches: Sequence[C]) -> C:
        """Concatenate caches, in order. They must not be used again."""

    def keep(self, cache: C, rows: Sequence[int]) -> None:
        """Remove all rows but these, ascending, from the cache."""


@dataclass(slots=True)
class PaddedCache:
    """Keys and values of a batch, each [rows, heads, length, head size], with its padding."""

    tensors: list[onnxruntime.OrtValue]
    mask: _Integers
    """[rows, length]: 0 where padded, on the left."""
    positions: _Integers
    """[rows]: position of the next token."""


class OnnxBatchRunner:
    """A BatchRunner in onnxruntime."""

    def __init__(
        self, session: onnxruntime.InferenceSession, device: str, context_window: int, file: Path
    ) -> None:
        """Check the graph's inputs and outputs.

        Raises ModelError, naming ``file``, where they are not those of a decoder with a cache.
        """
        self._session = session
        self.device = device
        self.context_window = context_window
        inputs, outputs = _by_name(session.get_inputs()), _by_name(session.get_outputs())
        self._past = [name for name in inputs if name.startswith("past_key_values.")]
        self._present = [name.replace("past_key_values", "present", 1) for name in self._past]
        self._has_positions = "position_ids" in inputs
        known = {"input_ids", "attention_mask", "position_ids", *self._past}
        missing = {"input_ids", "attention_mask"} - inputs.keys() | {
            "logits",
            *self._present,
        } - outputs.keys()
        if missing or not self._past or inputs.keys() - known:
            odd = sorted(missing | inputs.keys() - known) or ["past_key_values"]
            raise ModelError(
                f"{file} is not a decoder with a cache ({', '.join(odd)} missing or unknown): "
                "export it for the task text-generation-with-past"
            )
        self._cache_shapes = {name: _cache_shape(inputs[name], file) for name in self._past}
        shape = outputs["logits"].shape
        if not isinstance(shape[-1], int):
            raise ModelError(f"{file} does not state the size of its vocabulary: export it again")
        self.vocabulary = shape[-1]
        self._one_position = len(shape) == 3 and shape[1] == 1
        in_memory = max(1, _LOGITS_BYTES // (4 * self.vocabulary))
        self.most_tokens = 2**31 if self._one_position else in_memory

    @classmethod
    def load(
        cls, directory: Path, *, device: str, threads: int | None, memory_gb: float | None = None
    ) -> "OnnxBatchRunner":
        """Open ``model.onnx`` and ``config.json`` of a directory.

        Raises ModelError where one is missing or unusable.
        """
        context_window = context_window_of(directory / "config.json")
        file = directory / MODEL_FILE
        session = open_session(file, device, threads, memory_gb)
        return cls(session, device, context_window, file)

    def read(self, prompts: _Prompts) -> Logits:
        """Logits after each prompt."""
        ids, mask, positions = _pad(prompts)
        return self._run(ids, mask, positions, self._no_past(len(prompts)), keep=False)[0][:, -1]

    def score(self, texts: _Prompts, targets: _Prompts) -> list[Nats]:
        """The negative log-probabilities of each text's targets."""
        if self._one_position:
            raise EngineError(
                "the model's graph gives logits for one position only, so it cannot score a text: "
                "export it for the task text-generation-with-past"
            )
        ids, mask, positions = _pad(texts)
        longest = max(map(len, targets))
        logits, _ = self._run(
            ids, mask, positions, self._no_past(len(texts)), keep=False, last=longest
        )
        return [
            negative_log_probabilities(rows[longest - len(target) :], target)
            for rows, target in zip(logits, targets, strict=True)
        ]

    def start(self, prompts: _Prompts) -> tuple[PaddedCache, Logits]:
        """Logits after each prompt, and the cache to continue from."""
        ids, mask, positions = _pad(prompts)
        logits, tensors = self._run(ids, mask, positions, self._no_past(len(prompts)), keep=True)
        return PaddedCache(tensors, mask, positions[:, -1] + 1), logits[:, -1]

    def step(self, cache: PaddedCache, tokens: Sequence[int]) -> Logits:
        """Append one token to every row; logits after it. Changes the cache."""
        ids = np.array(tokens, np.int64)[:, None]
        mask = np.concatenate([cache.mask, np.ones_like(ids)], axis=1)
        past = dict(zip(self._past, cache.tensors, strict=True))
        logits, cache.tensors = self._run(ids, mask, cache.positions[:, None], past, keep=True)
        cache.mask = mask
        # A completed row decodes until it is removed; it must stay within a table of positions.
        cache.positions = np.minimum(cache.positions + 1, self.context_window - 1)
        return logits[:, -1]

    def join(self, caches: Sequence[PaddedCache]) -> PaddedCache:
        """Concatenate caches, in order, padded to the longest."""
        if len(caches) == 1:
            return caches[0]
        length = max(cache.mask.shape[1] for cache in caches)
        tensors = [
            self._on_device(np.concatenate([_widen(part.numpy(), 2, length) for part in parts]))
            for parts in zip(*(cache.tensors for cache in caches), strict=True)
        ]
        mask = np.concatenate([_widen(cache.mask, 1, length) for cache in caches])
        return PaddedCache(tensors, mask, np.concatenate([cache.positions for cache in caches]))

    def keep(self, cache: PaddedCache, rows: Sequence[int]) -> None:
        """Remove all rows but these, and the columns that are padding in all of them."""
        chosen = np.array(rows, np.int64)
        padded = int(cache.mask[chosen].argmax(axis=1).min())
        cache.mask = np.ascontiguousarray(cache.mask[chosen, padded:])
        cache.positions = cache.positions[chosen]
        cache.tensors = [
            self._on_device(tensor.numpy()[chosen, :, padded:]) for tensor in cache.tensors
        ]

    def _on_device(self, array: NDArray[Any]) -> onnxruntime.OrtValue:
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self.device, 0)

    def _no_past(self, rows: int) -> dict[str, NDArray[Any]]:
        return {
            name: np.empty((rows, heads, 0, size), dtype)
            for name, (heads, size, dtype) in self._cache_shapes.items()
        }

    def _run(
        self,
        ids: _Integers,
        mask: _Integers,
        positions: _Integers,
        past: Mapping[str, NDArray[Any] | onnxruntime.OrtValue],
        *,
        keep: bool,
        last: int = 1,
    ) -> tuple[Logits, list[onnxruntime.OrtValue]]:
        """Logits [rows, last, vocabulary] of the last positions.

        With ``keep``, also the new cache, left on the device.
        """
        binding = self._session.io_binding()
        try:
            binding.bind_cpu_input("input_ids", ids)
            binding.bind_cpu_input("attention_mask", mask)
            if self._has_positions:
                binding.bind_cpu_input("position_ids", np.ascontiguousarray(positions))
            for name, value in past.items():
                if isinstance(value, np.ndarray):
                    binding.bind_cpu_input(name, value)
                else:
                    binding.bind_ortvalue_input(name, value)
            binding.bind_output("logits", "cpu")
            for name in self._present if keep else ():
                binding.bind_output(name, self.device, 0)
            self._session.run_with_iobinding(binding)
            logits, *tensors = binding.get_outputs()
            wanted = logits.numpy()[:, -last:].astype(np.float32)
        except Exception as error:  # onnxruntime has many error classes and no other common base
            raise EngineError(
                f"onnxruntime failed on a batch of {ids.shape[0]} x {ids.shape[1]} tokens: {error}"
            ) from error
        if not np.isfinite(wanted.max(axis=-1)).all():
            raise EngineError(
                "the model's logits are not finite: its weights are broken, or its precision "
                "is too low"
            )
        return wanted, tensors


def _pad(prompts: _Prompts) -> tuple[_Integers, _Integers, _Integers]:
    """Ids, attention mask and positions, each [prompts, longest], padded on the left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = np.zeros((len(prompts), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
        mask[row, longest - len(prompt) :] = 1
    return ids, mask, np.maximum(mask.cumsum(axis=1) - 1, 0)


def _widen(array: NDArray[Any], axis: int, length: int) -> NDArray[Any]:
    """Pad an array with zeros, at the beginning of one axis, to a length."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (length - array.shape[axis], 0)
    return np.pad(array, widths)


def _by_name(nodes: Sequence[Any]) -> dict[str, Any]:
    return {node.name: node for node in nodes}


def _cache_shape(node: Any, file: Path) -> tuple[int, int, type[np.floating[Any]]]:
    """Heads, head size and number type of one cache input."""
    shape = node.shape
    if (
        len(shape) != 4
        or not isinstance(shape[1], int)
        or not isinstance(shape[3], int)
        or node.type not in _FLOATS
    ):
        raise ModelError(
            f"{file} has a cache of an unsupported shape or type ({node.name} {shape} {node.type})"
        )
    return shape[1], shape[3], _FLOATS[node.type]
