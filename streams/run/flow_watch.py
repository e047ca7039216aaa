"""Reads the stream's progress beside the main loop, which a broker that is away must not block."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from schemas.errors import BackstreamError
from streams.kafka.cluster import Cluster
from streams.observe.example_count import ExampleCount
from streams.observe.lag import Flow, FlowReader
from streams.observe.retention import RetentionWatch
from streams.stages.topology import STAGES, StageSpec

_RETRY_SECONDS = 1.0
_COUNT_SECONDS = 1.0
"""For counting examples between two readings. A large topic takes several of them."""


class FlowWatch:
    """The newest reading, from a thread of its own. Use as a context manager."""

    def __init__(
        self, cluster: Cluster, seconds: float, stages: Sequence[StageSpec] = STAGES
    ) -> None:
        """``seconds`` lie between two readings of the ``stages``."""
        self._cluster = cluster
        self._stages = stages
        self._seconds = seconds
        self._stopped = threading.Event()
        self._flow: Flow | None = None
        self._error: str | None = None
        self._warnings: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> "FlowWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()  # not joined: it may be waiting for a broker

    def take(self) -> Flow | None:
        """The newest reading; None where there is none since the last call."""
        flow, self._flow = self._flow, None
        return flow

    def take_warnings(self) -> Iterator[str]:
        """Yield the warnings about messages that were deleted unread, or soon may be."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._warnings.get_nowait()

    @property
    def error(self) -> str | None:
        """Why nothing can be read, or None."""
        return self._error

    def _watch(self) -> None:
        retention = RetentionWatch(self._cluster)
        while not self._stopped.is_set():
            try:
                with (
                    FlowReader(self._cluster, self._stages) as reader,
                    ExampleCount(self._cluster) as count,
                ):
                    while not self._stopped.is_set():
                        flow = replace(reader.read(), examples=count.read(_COUNT_SECONDS))
                        self._flow, self._error = flow, None
                        for line in retention.check(flow):
                            self._warnings.put(line)
                        self._stopped.wait(self._seconds)
            except Exception as error:  # whatever it is, progress is shown again later
                self._error = str(error) if isinstance(error, BackstreamError) else repr(error)
                self._stopped.wait(_RETRY_SECONDS)
