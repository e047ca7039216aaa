"""From the files of a model to the replicas of an engine: how many, and what each of them has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.engine.budget import ThreadBudget
from models.engine.continuous import Continuous
from models.engine.core import Core
from models.engine.device import is_cuda_there
from models.engine.limits import EngineLimits
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.prefixes import Prefixes
from models.engine.replica import Replica
from models.engine.static.batch_runner import OnnxBatchRunner
from models.engine.static.batching import StaticBatching

_READ_BYTES = 1e9
"""Each replica reads the weights for itself. While all of them together read no more than this in a
step, they are no slower than one that has every thread (measured with two, of 13 to 460 MB
each).
"""


@dataclass(frozen=True, slots=True)
class Means:
    """What an engine may use."""

    threads: int
    memory_gb: float | None
    """Of a GPU; None for all of it."""
    limits: EngineLimits
    budget: ThreadBudget | None
    """What it shares with other engines."""


def plain_replica(directory: Path, device: str, means: Means) -> Replica:
    """The one replica of a graph that is not ours. Raises ModelError where it is not usable."""

    def open_core(device: str) -> Core:
        session = OnnxBatchRunner.load(
            directory, device=device, threads=means.threads, memory_gb=means.memory_gb
        )
        return StaticBatching(session, means.limits)

    core = open_core(device)
    return _replica(core, partial(open_core, core.model.device), means)


def own_replicas(file: Path, device: str, means: Means) -> list[Replica]:
    """The replicas of our own graph; its ``config.json`` lies beside it. Raises ModelError where it is
    not usable.
    """
    count = 1 if device != "cpu" and is_cuda_there() else replicas_of(file, means.threads)
    each = replace(means, threads=means.threads // count, limits=means.limits.divided(count))
    active, held = each.limits.generation_slots + 1, each.limits.prefix_slots

    def open_session(device: str) -> OnnxModelRunner:
        return OnnxModelRunner.load(
            file, device=device, threads=each.threads, slots=active + held, memory_gb=each.memory_gb
        )

    def core(session: OnnxModelRunner) -> Core:
        return Continuous(
            session, active, Prefixes(range(active, active + held)), each.limits.chunk_tokens
        )

    first = open_session(device)
    reopen = partial(lambda device: core(open_session(device)), first.device)
    return [
        _replica(core(session), reopen, each)
        for session in (first, *(first.another() for _ in range(count - 1)))
    ]


def replicas_of(file: Path, threads: int) -> int:
    """How many replicas a model has on a CPU: one a thread, as far as its weights are small enough."""
    size = sum(
        part.stat().st_size for part in file.parent.glob(f"{file.name}*")
    )  # large weights lie in a file beside the graph
    return max(1, min(threads, int(_READ_BYTES // max(1, size))))


def _replica(core: Core, reopen: Callable[[], Core], means: Means) -> Replica:
    return Replica(
        core, means.limits.requests, reopen=reopen, threads=means.threads, budget=means.budget
    )
