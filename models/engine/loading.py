"""Loads the replicas of an engine from a model's files."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.engine.continuous import ContinuousBatching
from models.engine.core import EngineCore
from models.engine.kv_slots import KVSlots
from models.engine.limits import EngineLimits
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.replica import Replica
from models.engine.static.batch_runner import OnnxBatchRunner
from models.engine.static.batching import StaticBatching
from models.engine.thread_budget import ThreadBudget

_WEIGHT_BYTES = 1e9
"""Most bytes of weights that all replicas together read in a step.

Each replica reads the weights for itself. Up to this size several are no slower than one that has
every thread (measured with two, of 13 to 460 MB each).
"""


@dataclass(frozen=True, slots=True)
class Resources:
    """What an engine may use."""

    threads: int
    memory_gb: float | None
    """Of a GPU; None for all of it."""
    limits: EngineLimits
    budget: ThreadBudget | None
    """Shared with other engines."""


def load_static_replica(directory: Path, device: str, resources: Resources) -> Replica:
    """The one replica of a graph that is not ours. Raises ModelError where it is not usable."""

    def load_core(device: str) -> EngineCore:
        runner = OnnxBatchRunner.load(
            directory, device=device, threads=resources.threads, memory_gb=resources.memory_gb
        )
        return StaticBatching(runner, resources.limits)

    core = load_core(device)
    return _replica(core, partial(load_core, core.model.device), resources)


def load_replicas(file: Path, device: str, resources: Resources) -> list[Replica]:
    """The replicas of our own graph, on ``cpu`` or ``cuda``, with its ``config.json`` beside it.

    Raises ModelError where it is not usable.
    """
    count = 1 if device == "cuda" else replica_count(file, resources.threads)
    each = replace(
        resources, threads=resources.threads // count, limits=resources.limits.divided(count)
    )
    active, prefixes = each.limits.generation_slots + 1, each.limits.prefix_slots

    def load_runner(device: str) -> OnnxModelRunner:
        return OnnxModelRunner.load(
            file,
            device=device,
            threads=each.threads,
            slots=active + prefixes,
            memory_gb=each.memory_gb,
        )

    def core_of(runner: OnnxModelRunner) -> EngineCore:
        return ContinuousBatching(runner, KVSlots(active, prefixes), each.limits.chunk_tokens)

    first = load_runner(device)
    reload = partial(lambda device: core_of(load_runner(device)), first.device)
    runners = [first, *(first.sharing_weights() for _ in range(count - 1))]
    return [_replica(core_of(runner), reload, each) for runner in runners]


def replica_count(file: Path, threads: int) -> int:
    """Replicas of a model on a CPU: one for each thread, or fewer where the weights are large."""
    # Large weights lie in a file beside the graph.
    size = sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*"))
    return max(1, min(threads, int(_WEIGHT_BYTES // max(1, size))))


def _replica(core: EngineCore, reload: Callable[[], EngineCore], resources: Resources) -> Replica:
    return Replica(
        core,
        resources.limits.requests,
        reload=reload,
        threads=resources.threads,
        budget=resources.budget,
    )
