"""The engine: a model that generates, rates and scores. Callers await their answers in any loop.

On a CPU a small model is faster in several replicas of one thread each than in one of several
threads. No thread waits for another's half of a product, and a prefill in one replica does not
compete for the same memory as the decodes in another. Replicas share the weights; each has KV slots
and a scheduler of its own.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from models.engine.device import usable_cpus
from models.engine.limits import EngineLimits
from models.engine.loading import Resources, load_replicas, load_static_replica
from models.engine.placement import Placement, is_plain, place, place_without_gpu
from models.engine.replica import Replica
from models.engine.requests import (
    AnyRequest,
    ChoiceRequest,
    Generation,
    GenerationRequest,
    ScoreRequest,
)
from models.engine.routing import Router
from models.engine.sampling import DIGITS, Choice, DigitProbabilities, digit_probabilities
from models.engine.stats import EngineStats
from models.engine.thread_budget import ThreadBudget
from models.precision import Precision
from models.sampling import Sampling
from schemas.errors import ModelError, PromptTooLong

log = logging.getLogger(__name__)


class Engine:
    """Generates, rates and scores with one model.

    Its methods may be called from any thread and any event loop.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        *,
        precision: Precision = Precision.FP32,
        unused_gpu: str | None = None,
        limits: EngineLimits | None = None,
    ) -> None:
        """``replicas`` are one or several of the same model, which share ``limits``.

        The engine closes them.
        """
        self.precision = precision
        self.unused_gpu = unused_gpu
        """Why the GPU is not used although a driver is installed; None where it is, or was not
        wanted.
        """
        each = (limits or EngineLimits()).divided(len(replicas))
        self.generation_slots = len(replicas) * each.generation_slots
        """Generations that decode together."""
        self._replicas = replicas
        self._router = Router(len(replicas))

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
        memory_gb: float | None = None,
        limits: EngineLimits | None = None,
        budget: ThreadBudget | None = None,
    ) -> "Engine":
        """Load the graph and the ``config.json`` of a directory.

        Our own graph where the directory has one, else the plain one. ``device`` is ``auto`` (CUDA
        where it works), ``cpu`` or ``cuda``; ``threads`` defaults to the CPUs that this process may
        use. ``precision`` is ``auto`` (what the export chose), ``fp32`` or ``int8``; on a GPU it is
        fp16, with at most ``memory_gb`` of its memory beside the KV slots. Engines that share a
        ``budget`` compute with no more threads than it has. Warns where ``auto`` does not use a GPU
        whose driver is installed. Raises ModelError where the model, the device or the precision is
        not usable; ValueError for fewer than 1 thread.
        """
        threads = usable_cpus() if threads is None else threads

        plain = is_plain(directory)

        def limits_at(placed: Placement) -> EngineLimits:
            return limits or (EngineLimits() if plain else EngineLimits.on(placed.device))

        def load_at(placed: Placement) -> Sequence[Replica]:
            resources = Resources(threads, memory_gb, limits_at(placed), budget)
            if plain:
                return [load_static_replica(directory, placed.device, resources)]
            return load_replicas(directory / placed.precision.file, placed.device, resources)

        placed = place(directory, device, precision)
        try:
            replicas = load_at(placed)
        except ModelError as error:
            if device != "auto" or placed.device == "cpu":
                raise
            placed = place_without_gpu(directory, precision, str(error))
            replicas = load_at(placed)
        if placed.unused_gpu:
            log.warning(
                "%s runs on the CPU: %s; --device cpu omits this warning",
                directory,
                placed.unused_gpu,
            )
        return cls(
            replicas,
            precision=placed.precision,
            unused_gpu=placed.unused_gpu,
            limits=limits_at(placed),
        )

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._replicas[0].model.device

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""
        return self._replicas[0].model.context_window

    @property
    def replicas(self) -> int:
        """Number of replicas. Each computes with its share of the threads."""
        return len(self._replicas)

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return EngineStats(
            *map(sum, zip(*(astuple(replica.stats()) for replica in self._replicas), strict=True))
        )

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, stop_ids: Collection[int]
    ) -> Generation:
        """Continue a prompt until one of ``stop_ids`` or ``sampling.max_tokens``.

        The same call gives the same tokens whatever runs beside it, as far as fp32 sums in another
        order allow. Raises PromptTooLong where prompt and ``max_tokens`` do not fit the context
        window, ValueError for an empty prompt or an unknown id, EngineError where the engine
        failed, and EngineStopped where it does not run any more.
        """
        ids = self._checked(prompt, sampling.max_tokens, f"{sampling.max_tokens:,} new ones")
        loop = asyncio.get_running_loop()
        request = GenerationRequest(
            prompt=ids,
            loop=loop,
            future=loop.create_future(),
            sampling=sampling,
            stop_ids=frozenset(stop_ids),
        )
        return await self._answer(request)

    async def rate(
        self, prompt: Sequence[int], digit_ids: Sequence[int], priority: int = 0
    ) -> DigitProbabilities:
        """The probabilities of the tokens of '1' to '5' after a prompt.

        Of the waiting requests, those with the lowest ``priority`` go first. Raises PromptTooLong
        where the prompt does not fit the context window, ValueError for an empty prompt, an unknown
        id or other than five different digits, EngineError where the engine failed, and
        EngineStopped where it does not run any more.
        """
        if len(digit_ids) != DIGITS or len(set(digit_ids)) != DIGITS:
            raise ValueError(
                f"digit_ids are {tuple(digit_ids)}: they must be {DIGITS} different ids, those of "
                "'1' to '5'"
            )
        return digit_probabilities(await self._choose(prompt, digit_ids, "digit_ids", priority))

    async def choose(
        self, prompt: Sequence[int], option_ids: Sequence[int], priority: int = 0
    ) -> Choice:
        """The probabilities of different tokens after a prompt.

        Of the waiting requests, those with the lowest ``priority`` go first. Raises PromptTooLong
        where the prompt does not fit the context window, ValueError for an empty prompt, an unknown
        id or no different options, EngineError where the engine failed, and EngineStopped where it
        does not run any more.
        """
        if not option_ids or len(set(option_ids)) != len(option_ids):
            raise ValueError(f"option_ids are {tuple(option_ids)}: they must be different ids")
        return await self._choose(prompt, option_ids, "option_ids", priority)

    async def score(
        self, prompt: Sequence[int], target: Sequence[int], priority: int = 0
    ) -> tuple[float, ...]:
        """The negative log-probability of every token of a target after a prompt, in nats.

        Each is computed given the prompt and the target's tokens before it. Of the waiting
        requests, those with the lowest ``priority`` go first. Raises PromptTooLong where prompt and
        target do not fit the context window, ValueError for an empty prompt or target or an unknown
        id, EngineError where the engine failed, and EngineStopped where it does not run any more.
        """
        wanted = self._known(target, "target")
        if not wanted:
            raise ValueError("the target is empty: there is nothing to score")
        ids = self._checked(prompt, len(wanted), f"a target of {len(wanted):,}")
        loop = asyncio.get_running_loop()
        request = ScoreRequest(
            prompt=ids, loop=loop, future=loop.create_future(), priority=priority, target=wanted
        )
        return await self._answer(request)

    def close(self) -> None:
        """Fail the requests that are held with EngineStopped, and end the threads. Idempotent.

        Returns after at most one more call of the model for each replica.
        """
        for replica in self._replicas:
            replica.close()

    async def _choose(
        self, prompt: Sequence[int], option_ids: Sequence[int], name: str, priority: int
    ) -> Choice:
        options = self._known(option_ids, name)
        ids = self._checked(prompt)
        loop = asyncio.get_running_loop()
        request = ChoiceRequest(
            prompt=ids,
            loop=loop,
            future=loop.create_future(),
            priority=priority,
            option_ids=options,
        )
        choice: Choice = await self._answer(request)
        return choice

    async def _answer(self, request: AnyRequest) -> Any:
        replica = self._router.take(request.prompt, request.length)
        try:
            await self._replicas[replica].put(request)
            return await request.answer()
        finally:
            self._router.done(replica, request.length)

    def _checked(self, prompt: Sequence[int], after: int = 0, what: str = "") -> tuple[int, ...]:
        """The ids of a prompt that fits with the tokens ``after`` it, which ``what`` describes."""
        ids = self._known(prompt, "prompt")
        if not ids:
            raise ValueError("the prompt is empty: there is nothing to continue")
        if len(ids) + after > self.context_window:
            raise PromptTooLong(
                f"a prompt of {len(ids):,} tokens{' and ' * bool(what)}{what} does not fit the "
                f"model's context window of {self.context_window:,}: shorten the text"
            )
        return ids

    def _known(self, ids: Sequence[int], name: str) -> tuple[int, ...]:
        """The ids, all in the vocabulary. Any other would fail the whole call of the model."""
        known = tuple(int(id) for id in ids)
        vocabulary = self._replicas[0].model.vocabulary
        if known and not 0 <= min(known) <= max(known) < vocabulary:
            raise ValueError(
                f"{name} has an id outside of 0 to {vocabulary - 1}: another model's tokenizer?"
            )
        return known
