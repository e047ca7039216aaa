"""Measures in a process of its own, so that memory and event loops are clean.

Also reads what the work there has cost.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

from schemas.errors import BackstreamError
from streams.logs import configure_logging
from streams.run.event_loop import fast_event_loop
from streams.stages import metrics as names
from streams.stages.metrics import Metrics

P = ParamSpec("P")
T = TypeVar("T")
_STALLED_SECONDS = 60.0


def in_fresh_process(
    body: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **options: P.kwargs
) -> T:
    """Run a coroutine function in a new process, on the event loop of a worker.

    Returns what it returns, and raises what it raises.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, body, arguments, options).result()


def _run(
    body: Callable[..., Coroutine[Any, Any, T]], arguments: tuple[Any, ...], options: dict[str, Any]
) -> T:
    configure_logging()
    with asyncio.Runner(loop_factory=fast_event_loop()) as runner:
        return runner.run(body(*arguments, **options))


@dataclass(frozen=True, slots=True)
class State:
    """How far the work is. ``records`` is any count that grows until it is done."""

    records: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What ``records`` took.

    Seconds by the clock, and CPU seconds of this process with all its threads.
    """

    records: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a record."""
        return 1000 * self.cpu_seconds / self.records


async def watch(
    state: Callable[[], State],
    first: int = 1,
    poll_seconds: float = 0.02,
    stalled_seconds: float = _STALLED_SECONDS,
) -> Cost:
    """Wait until the work is complete. Returns its cost from the ``first`` record on.

    Start-up is not counted. Raises BackstreamError where nothing happens for ``stalled_seconds``.
    """
    begun: tuple[int, float, float] | None = None
    last, moved = -1, time.monotonic()
    while True:
        now, (clock, cpu) = state(), (time.perf_counter(), time.process_time())
        if now.records != last:
            last, moved = now.records, time.monotonic()
        if begun is None and now.records >= first:
            begun = now.records, clock, cpu
        elif begun is not None and now.complete:
            return Cost(now.records - begun[0], clock - begun[1], cpu - begun[2])
        if time.monotonic() - moved > stalled_seconds:
            raise BackstreamError(
                f"the measurement stands still at {now.records:,} records: see the messages above"
            )
        await asyncio.sleep(poll_seconds)


class Tally:
    """Reads the counts of stages from a worker's metrics.

    It costs as much as reading those few metrics, not all of them.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._view = metrics.registry.restricted_registry(
            [names.RECORDS.full_name, names.OUTPUTS.full_name]
        )

    def read(self) -> dict[tuple[str, str], int]:
        """Map (stage, ``in``) to the records that the stage has finished.

        And (stage, topic) to the messages that it has written to the topic.
        """
        counts: dict[tuple[str, str], int] = {}
        for metric in self._view.collect():
            for sample in metric.samples:
                key = sample.labels["stage"], sample.labels.get("topic", "in")
                counts[key] = counts.get(key, 0) + int(sample.value)
        return counts
