"""From the files of a model to the lanes of an engine: how many, and what each of them has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.engine.budget import Budget
from models.engine.continuous import Continuous
from models.engine.core import Core
from models.engine.device import is_cuda_there
from models.engine.lane import Lane
from models.engine.limits import EngineLimits
from models.engine.prefixes import Prefixes
from models.engine.slots import SlotSession
from models.engine.static.batches import Batches
from models.engine.static.session import OnnxSession

_READ_BYTES = 1e9
"""Each lane reads the weights for itself. While all of them together read no more than this in a
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
    budget: Budget | None
    """What it shares with other engines."""


def plain_lane(directory: Path, device: str, means: Means) -> Lane:
    """The one lane of a graph that is not ours. Raises ModelError where it is not usable."""

    def open_core(device: str) -> Core:
        session = OnnxSession.load(
            directory, device=device, threads=means.threads, memory_gb=means.memory_gb
        )
        return Batches(session, means.limits)

    core = open_core(device)
    return _lane(core, partial(open_core, core.model.device), means)


def own_lanes(file: Path, device: str, means: Means) -> list[Lane]:
    """The lanes of our own graph; its ``config.json`` lies beside it. Raises ModelError where it is
    not usable.
    """
    count = 1 if device != "cpu" and is_cuda_there() else lanes_of(file, means.threads)
    each = replace(means, threads=means.threads // count, limits=means.limits.divided(count))
    active, held = each.limits.generation_rows + 1, each.limits.held_rows

    def open_session(device: str) -> SlotSession:
        return SlotSession.load(
            file, device=device, threads=each.threads, rows=active + held, memory_gb=each.memory_gb
        )

    def core(session: SlotSession) -> Core:
        return Continuous(
            session, active, Prefixes(range(active, active + held)), each.limits.chunk_tokens
        )

    first = open_session(device)
    reopen = partial(lambda device: core(open_session(device)), first.device)
    return [
        _lane(core(session), reopen, each)
        for session in (first, *(first.another() for _ in range(count - 1)))
    ]


def lanes_of(file: Path, threads: int) -> int:
    """How many lanes a model has on a CPU: one a thread, as far as its weights are small enough."""
    size = sum(
        part.stat().st_size for part in file.parent.glob(f"{file.name}*")
    )  # large weights lie in a file beside the graph
    return max(1, min(threads, int(_READ_BYTES // max(1, size))))


def _lane(core: Core, reopen: Callable[[], Core], means: Means) -> Lane:
    return Lane(
        core, means.limits.requests, reopen=reopen, threads=means.threads, budget=means.budget
    )
