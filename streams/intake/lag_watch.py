"""How many documents wait for the segmenter, and how long until they are few enough."""

import math
import threading
import time

from schemas.errors import BackstreamError
from streams.kafka.cluster import Cluster
from streams.kafka.topics import DOCUMENTS
from streams.observe.lag import Flow, FlowReader
from streams.stages.topology import STAGES

_READ_SECONDS = 1.0
_STALE_SECONDS = 30.0
"""A reading that is older says nothing any more."""
_UNKNOWN_SECONDS = 10
_LONGEST_SECONDS = 60
_SEGMENTER = [stage for stage in STAGES if stage.source is DOCUMENTS]


class LagWatch:
    """The lag of the segmenter on ``documents``, read every second on a thread.

    What was written since the last reading counts too. Use as a context manager: raises BrokerError
    at the start where the lag cannot be read.
    """

    def __init__(self, cluster: Cluster, most: int | None) -> None:
        """``most``: documents that may wait. None: any number, and nothing is read."""
        self._cluster = cluster
        self._most = most
        self._lock = threading.Lock()
        self._lag = 0
        self._written = 0
        """Since the last reading."""
        self._read_at = time.monotonic()
        self._done: int | None = None
        self._rate = 0.0
        """Documents that the segmenter finishes in a second."""
        self._error: str | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> "LagWatch":
        if self._most is not None:
            with FlowReader(self._cluster, _SEGMENTER, [DOCUMENTS]) as reader:
                self._take(reader.read(), 0)
            threading.Thread(target=self._watch, name="lag", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()  # not joined: it may be waiting for a broker

    @property
    def lag(self) -> int:
        """Documents that wait."""
        with self._lock:
            return self._lag + self._written

    @property
    def unknown(self) -> str | None:
        """Why the lag is not known any more, or None."""
        if self._most is None or time.monotonic() - self._read_at < _STALE_SECONDS:
            return None
        return f"the lag of the segmenter cannot be read: {self._error or 'no broker answers'}"

    def add(self, documents: int) -> None:
        """Count documents that were written."""
        with self._lock:
            self._written += documents

    def wait_seconds(self) -> int | None:
        """None where more documents may be written; else the seconds to wait until asking again."""
        excess = self.lag - self._most if self._most is not None else 0
        if excess < 0 or self._most is None:
            return None
        if self._rate <= 0:
            return _UNKNOWN_SECONDS
        return max(1, min(_LONGEST_SECONDS, math.ceil(excess / self._rate)))

    def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                with FlowReader(self._cluster, _SEGMENTER, [DOCUMENTS]) as reader:
                    while not self._stopped.wait(_READ_SECONDS):
                        before = self._written
                        self._take(reader.read(), before)
            except Exception as error:  # whatever it is, the lag is read again later
                self._error = str(error) if isinstance(error, BackstreamError) else repr(error)
                self._stopped.wait(_READ_SECONDS)

    def _take(self, flow: Flow, counted: int) -> None:
        """Take a reading. Of the documents written since the last one, ``counted`` are in it."""
        [stage] = flow.stages
        now = time.monotonic()
        with self._lock:
            if self._done is not None and now > self._read_at:
                passed = max(0, stage.done - self._done) / (now - self._read_at)
                self._rate = 0.7 * self._rate + 0.3 * passed
            self._lag, self._done, self._read_at = stage.lag, stage.done, now
            self._written -= counted
            self._error = None
