"""Looks at sources when they are due, feeds what is new, and tries again what is away."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import BrokerError, SourceError, SourceUnavailable
from schemas.records import Document
from schemas.text import PassedOver, Warned
from streams.backoff import Backoff
from streams.intake.lag_watch import LagWatch
from streams.intake.watch.delivery import Delivery
from streams.intake.watch.fed import Fed
from streams.intake.watch.source import Item, Source
from streams.stages.metrics import INTAKE_BYTES, INTAKE_DOCUMENTS, INTAKE_LOOKS, Metrics

log = logging.getLogger(__name__)
OnEvent = Callable[[dict[str, Any]], None]
_THREADS = 8
_TICK_SECONDS = 0.1
_CHUNK_DOCUMENTS = 500
_CHUNK_BYTES = 4 * 1024 * 1024
_CHUNK_SECONDS = 1.0
"""What is sent and acknowledged together, at most."""
_AGAIN = Backoff(1.0, 60.0)
"""After a source or the broker was away."""
_MOST_UNREAD = 5
_MOST_LINES = 20
"""Errors of one look that are logged."""


@dataclass
class Look:
    """What came of looking at a source once."""

    documents: int = 0
    """Acknowledged by the broker."""
    bytes: int = 0
    refused: int = 0
    """Documents and files that cannot be read."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """By reason. Files count when they are seen for the first time."""
    unread: int = 0
    """Items in a row that could not be read now."""
    unfinished: bool = False
    """Whether an item changed while it was read."""

    def refuse(self, error: object) -> None:
        """Count and log an error of the input."""
        self.refused += 1
        if self.refused <= _MOST_LINES:
            log.warning("%s", error)

    def pass_over(self, what: PassedOver) -> None:
        """Count something that is not read."""
        self.passed_over[what.reason] += 1
        log.info("passed over %s: %s", what.where, what.reason)


@dataclass
class Watched:
    """A source with its state, and when it is due."""

    source: Source
    fed: Fed
    due: float = 0.0
    """By the monotonic clock."""
    failures: int = 0
    """In a row."""
    unavailable: str | None = None
    error: Exception | None = None
    """What the last look has failed on."""
    complete: bool = False
    """Whether the last look has found nothing that is still to be read."""
    broken: "dict[str, tuple[int, float]]" = field(default_factory=dict)
    """Items that could not be read, with how often in a row, and when they are due again."""
    passed_over: set[str] = field(default_factory=set)
    running: "Future[None] | None" = None

    @property
    def settled(self) -> bool:
        """Whether nothing is left to read, or the source is away."""
        return self.running is None and (self.complete or self.error is not None)


class Watching:
    """Watches sources until it is stopped."""

    def __init__(
        self,
        watched: Sequence[Watched],
        delivery: Delivery,
        lag: LagWatch,
        metrics: Metrics,
        on_event: OnEvent,
    ) -> None:
        self._watched = watched
        self._delivery = delivery
        self._lag = lag
        self._metrics = metrics
        self._on_event = on_event
        self._stopping = threading.Event()
        self._broker: str | None = None
        self.refused = 0
        """Documents and files that could not be read."""
        self.documents = 0
        """Documents that the broker has acknowledged."""

    def stop(self) -> None:
        """Stop soon. Safe in a signal handler and on any thread."""
        self._stopping.set()

    @property
    def not_ready(self) -> str | None:
        """Why nothing is fed, or None."""
        if self._broker or self._lag.unknown:
            return self._broker or self._lag.unknown
        away = [one.unavailable for one in self._watched if one.unavailable]
        return away[0] if len(away) == len(self._watched) else None

    def run(self, once: bool = False) -> None:
        """Watch until ``stop``; with ``once``, until everything that is there has been fed.

        With ``once`` nothing is waited for that is away: raises what the first source has failed
        on, when all have been looked at.
        """
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="watch") as pool:
            while not self._stopping.is_set():
                now = time.monotonic()
                for one in self._watched:
                    if one.running is not None and one.running.done():
                        one.running.result()
                        one.running = None
                    if one.running is None and now >= one.due and not (once and one.settled):
                        one.running = pool.submit(self._look, one)
                if once and all(one.settled for one in self._watched):
                    for one in self._watched:
                        if one.error is not None:
                            raise one.error
                    return
                self._stopping.wait(_TICK_SECONDS)

    def _look(self, one: Watched) -> None:
        """Look at a source. Nothing that goes wrong there ends the process."""
        way = one.source.way
        look = Look()
        outcome, pause = "failed", 0.0
        one.complete = False
        try:
            if self._delivery.recover(one.fed) is not None:
                self._broker = None
            for item in one.source.items(one.fed):
                if self._stopping.is_set():
                    return
                self._take(one, item, look)
            if self._stopping.is_set():
                return
            one.source.looked(one.fed)
        except BrokerError as error:
            self._broker = str(error)
            pause = self._failed(one, error)
        except SourceUnavailable as error:
            one.unavailable = str(error)
            pause = max(error.seconds, self._failed(one, error))
        except Exception as error:  # of a library, or of ours: the other sources go on
            log.exception("looking at %s failed", one.source.name)
            pause = self._failed(one, error)
        else:
            outcome = "done"
            one.failures, one.unavailable, one.error = 0, None, None
            one.complete = not (look.unfinished or one.source.pending)
            pause = 0.0 if look.unfinished else one.source.pause
        finally:
            self._account(one, look)
        self._metrics.counter(INTAKE_LOOKS, way=way, outcome=outcome).inc()
        one.due = time.monotonic() + pause

    def _failed(self, one: Watched, error: Exception) -> float:
        """Report a failure; return the seconds until the next look."""
        one.failures += 1
        one.error = error
        pause = _AGAIN.after(one.failures)
        self._on_event(
            {
                "event": "unavailable",
                "source": one.source.name,
                "error": str(error) or repr(error),
                "again_in": pause,
            }
        )
        return pause

    def _take(self, one: Watched, item: Item | PassedOver, look: Look) -> None:
        if isinstance(item, Item):
            self._feed(one, item, look)
        elif item.where not in one.passed_over:
            one.passed_over.add(item.where)
            look.pass_over(item)

    def _feed(self, one: Watched, item: Item, look: Look) -> None:
        """Feed what is new of an item. Raises BrokerError and SourceUnavailable.

        An item that cannot be read now is tried again later, and the others go on: one of them may
        have wrong permissions. When several in a row cannot be read, the source is away.
        """
        failures, due = one.broken.get(item.key, (0, 0.0))
        if time.monotonic() < due:
            return
        try:
            for chunk in self._chunks(one.fed, item, look):
                self._send(one.fed, chunk, look)
        except SourceUnavailable as error:
            look.unread += 1
            one.broken[item.key] = failures + 1, time.monotonic() + _AGAIN.after(failures + 1)
            if not failures:
                look.refuse(error)
            if look.unread >= _MOST_UNREAD:
                raise
            return
        if self._stopping.is_set():
            return
        one.broken.pop(item.key, None)
        look.unread = 0
        if not item.unchanged():
            look.unfinished = True
            return
        one.fed.complete(item.key, item.version)

    def _chunks(self, fed: Fed, item: Item, look: Look) -> Iterator[list[Document]]:
        """The documents of an item that were not fed, a bounded number at a time.

        The last ones come when the item is read whole and has not changed meanwhile. Ends early
        where the process is stopping.
        """
        chunk: dict[str, Document] = {}
        size, began = 0, time.monotonic()
        for outcome in item.read():
            if self._stopping.is_set():
                return
            if isinstance(outcome, SourceError):
                if is_passing(outcome):
                    raise SourceUnavailable(str(outcome)) from outcome
                look.refuse(outcome)
            elif isinstance(outcome, Warned):
                log.warning("%s", outcome.message)
            elif isinstance(outcome, PassedOver):
                look.pass_over(outcome)
            elif outcome.id not in chunk and not fed.has(outcome.id):
                if chunk and (
                    len(chunk) >= _CHUNK_DOCUMENTS
                    or size >= _CHUNK_BYTES
                    or time.monotonic() - began >= _CHUNK_SECONDS
                ):
                    yield list(chunk.values())
                    chunk, size, began = {}, 0, time.monotonic()
                chunk[outcome.id] = outcome
                size += len(outcome.text)
        if chunk and item.unchanged():
            yield list(chunk.values())

    def _send(self, fed: Fed, documents: Sequence[Document], look: Look) -> None:
        while (wait := self._lag.wait_seconds()) is not None:
            if self._stopping.wait(min(wait, 1)):
                return
        sent = self._delivery.send(fed, documents)
        self._broker = None
        self._lag.add(sent.documents)
        look.documents += sent.documents
        look.bytes += sent.bytes
        for error in sent.refused:
            look.refuse(error)

    def _account(self, one: Watched, look: Look) -> None:
        """Count a look, and report it if anything came of it."""
        way = one.source.way
        counts = {
            "acknowledged": look.documents,
            "refused": look.refused,
            "passed_over": look.passed_over.total(),
        }
        for outcome, count in counts.items():
            self._metrics.counter(INTAKE_DOCUMENTS, way=way, outcome=outcome).inc(count)
        self._metrics.counter(INTAKE_BYTES, way=way).inc(look.bytes)
        self.documents += look.documents
        self.refused += look.refused
        if any(counts.values()):
            self._on_event(
                {
                    "event": "fed",
                    "source": one.source.name,
                    "documents": look.documents,
                    "bytes": look.bytes,
                    "refused": look.refused,
                    "passed_over": dict(look.passed_over),
                }
            )


def is_passing(error: SourceError) -> bool:
    """Whether the disk or the network is to blame for an error, and not what is read."""
    cause = error.__cause__
    return isinstance(error, SourceUnavailable) or (
        isinstance(cause, OSError) and cause.errno is not None
    )
