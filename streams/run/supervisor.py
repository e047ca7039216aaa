"""Supervises the processes of ``up`` and ``demo``: broker, workers and trainer.

The broker is started first and stopped last. All are restarted when they fail.
"""

import contextlib
import logging
import multiprocessing
import queue
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from schemas.errors import BackstreamError
from streams.backoff import Backoff
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.embedded.running import running_address
from streams.logs import configure_logging
from streams.observe.failing import Failing
from streams.run.processes import as_child, run_page, run_trainer, run_worker
from streams.run.supervised_broker import SupervisedBroker
from streams.settings import Settings

_OWN_SHARE, _KILL_SHARE, _END_SHARE = 0.55, 0.6, 0.8
"""Of the seconds of a shutdown: when children end themselves, are killed, and the broker is."""
_BACKOFF = Backoff(1.0, 30.0)
"""Before a restart."""
_STEADY_SECONDS = 60.0
"""A process that ran for this long counts its failures from 1 again."""
_LATE_SECONDS = 60.0
"""A worker that is not ready by then is mentioned, and again after as long."""
_JOIN_SECONDS = 0.1
_AT_WORK = ("ready", "following", "page")
"""Events of a worker, the trainer and the page which say that it does its work."""


@dataclass
class _Child:
    """One supervised process."""

    name: str
    start: Callable[[Any], BaseProcess]
    """Starts the process, which puts its events on the queue that is given."""
    new_queue: Callable[[], Any]
    once: bool = False
    """Whether it is not restarted when it ends."""
    becomes_ready: bool = False
    process: BaseProcess | None = None
    events: Any = None
    """A queue for each process: one that is killed while it writes can leave it locked."""
    started: float = 0.0
    failures: int = 0
    restart_at: float = 0.0
    late_at: float | None = None
    """When to mention that it is not ready."""
    kill_at: float | None = None
    """When to kill it, after it reported its end."""
    error: str = ""
    """The last one that it reported."""

    def run(self, now: float) -> BaseProcess:
        """Start the process."""
        self.events = self.new_queue()
        self.process, self.started = self.start(self.events), now
        self.late_at = now + _LATE_SECONDS if self.becomes_ready else None
        self.kill_at = None
        return self.process

    def take(self) -> Iterator[Mapping[str, Any]]:
        """Yield the events since the last call."""
        with contextlib.suppress(queue.Empty, OSError, EOFError):
            while self.events is not None:
                yield self.events.get_nowait()


@dataclass
class Supervisor:
    """Starts the broker on entry, unless there is one, and stops all processes on exit.

    Use as a context manager, and call ``poll`` regularly: it returns the events of the child
    processes and restarts what ended. All of it must be called by the main thread: the children
    end with the thread that started them.
    """

    settings: Settings
    base: Path
    on_line: Callable[[str], None] = print
    stopping: Callable[[], bool] = lambda: False
    """Whether to give up while the broker starts."""
    # Spawned, not forked: a child must not inherit threads, loops and sockets.
    _context: Any = field(default_factory=lambda: multiprocessing.get_context("spawn"))
    _embedded: EmbeddedBroker | None = None
    _broker: SupervisedBroker | None = None
    _children: list[_Child] = field(default_factory=list)
    _failing: Failing = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has failed yet."""
        self._failing = Failing(self.settings.state_dir)

    def __enter__(self) -> "Supervisor":
        self._failing.remove()
        try:
            address = self.settings.given_broker or running_address(self.settings.broker_dir)
            if address is None:
                address = self._start_broker()
            self.settings = self.settings.with_broker(address)
            create_topics(self.settings.kafka.cluster(), self.settings.kafka.wanted_topics())
        except BaseException:
            self._stop_broker(time.monotonic())
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_broker(self) -> str:
        self.on_line(f"starting the embedded Kafka in {self.settings.broker_dir}")
        self._embedded = EmbeddedBroker(
            self.settings.broker_dir, self.settings.port, stopping=self.stopping
        )
        address = self._embedded.start()
        self._broker = SupervisedBroker(self._embedded)
        return address

    def start_worker(self, number: int = 0) -> None:
        """Start a worker and keep it running.

        Its metrics port is that of the settings plus ``number``.
        """
        port = self.settings.metrics_port
        settings = self.settings.model_copy(
            update={"metrics_port": port + number if port else port}
        )
        self._add(f"worker-{number}", run_worker, settings, becomes_ready=True)

    def start_trainer(self) -> None:
        """Start the trainer and keep it running."""
        self._add("trainer", run_trainer, self.settings)

    def start_page(self, person: str) -> None:
        """Start the live page and keep it running. ``person`` is who decides, by default."""
        self._add("page", run_page, self.settings, person=person)

    def train_once(self) -> BaseProcess:
        """Start a trainer that trains once on what there is. It is not restarted."""
        return self._add("trainer", run_trainer, self.settings, restarts=False, once=True)

    def poll(self) -> list[Mapping[str, Any]]:
        """Restart the processes that ended; return the events since the last call.

        Each event is a mapping with ``event``, its kind (``ready``, ``training``, ``step``,
        ``announced``, ``died`` ...), and ``process``; or ``note`` and ``text``. Raises BrokerError
        where the embedded broker ended and cannot be started again, as on a full disk.
        """
        now = time.monotonic()
        events: list[Mapping[str, Any]] = []
        if self._broker is not None and (news := self._broker.poll()) is not None:
            events.append({"event": "note", "text": news})
        for child in self._children:
            events += self._poll_child(child, now)
        return events

    def _poll_child(self, child: _Child, now: float) -> Iterator[Mapping[str, Any]]:
        ended = child.process is not None and not child.process.is_alive()
        for event in child.take():
            # Fenced: a newer process with the same transactional id took over. A restart would
            # fence that one.
            child.once = child.once or event["event"] == "fenced"
            if event["event"] in _AT_WORK:
                child.late_at = None
                self._failing.clear(child.name)
            elif event["event"] == "failed":
                child.error = str(event["error"])
            elif event["event"] == "ends":
                child.kill_at = now + self.settings.shutdown_seconds
                continue
            yield event
        if child.process is not None and not ended:
            yield from self._watch(child, child.process, now)
        if child.once:
            return
        if child.process is not None and ended:
            code = child.process.exitcode
            yield {"event": "died", "process": child.name, "exit_code": code}
            self._failing.note(child.name, child.error or f"it ended with code {code}")
            child.error = ""
            child.failures = 1 if now - child.started > _STEADY_SECONDS else child.failures + 1
            child.restart_at = now + _BACKOFF.after(child.failures)
            child.process = None
        if child.process is None and now >= child.restart_at:
            child.run(now)

    def _watch(
        self, child: _Child, process: BaseProcess, now: float
    ) -> Iterator[Mapping[str, Any]]:
        if child.kill_at is not None and now >= child.kill_at:
            child.kill_at = None
            process.kill()
            text = f"{child.name} had failed and did not end; it was killed"
            yield {"event": "note", "text": text}
        if child.late_at is not None and now >= child.late_at:
            child.late_at = now + _LATE_SECONDS
            text = f"{child.name} is not ready {now - child.started:.0f} s after its start"
            yield {"event": "note", "text": text}

    def stop(self) -> None:
        """Ask all children to drain, wait, and kill those that are still running then.

        Stops the broker after them. Takes less than ``shutdown_seconds``.
        """
        began, seconds = time.monotonic(), self.settings.shutdown_seconds
        try:
            running = self._running()
            for process in running:
                process.terminate()
            self._wait(running, began + seconds * (_KILL_SHARE if self._embedded else _END_SHARE))
            self.abort()
            for process in running:
                process.join()
            self._children.clear()
        finally:
            self._failing.remove()
            self._stop_broker(began)

    def abort(self) -> None:
        """Kill the children. Records in flight are processed again after the next start."""
        for process in self._running():
            process.kill()

    def kill(self) -> None:
        """Kill the children and the broker. Nothing that the broker acknowledged is lost."""
        self.abort()
        if self._embedded is not None:
            self._embedded.kill()

    def _wait(self, running: list[BaseProcess], until: float) -> None:
        while time.monotonic() < until and any(process.is_alive() for process in running):
            for child in self._children:  # a full queue would keep its process from ending
                for _ in child.take():
                    pass
            time.sleep(_JOIN_SECONDS)

    def _stop_broker(self, began: float) -> None:
        if self._embedded is not None:
            end = began + _END_SHARE * self.settings.shutdown_seconds
            self._embedded.stop_seconds = max(0.0, end - time.monotonic())
            self._embedded.stop()

    def _running(self) -> list[BaseProcess]:
        return [child.process for child in self._children if child.process is not None]

    def _add(
        self,
        name: str,
        body: Callable[..., None],
        settings: Settings,
        *,
        restarts: bool = True,
        becomes_ready: bool = False,
        **options: Any,
    ) -> BaseProcess:
        share = _OWN_SHARE if self._embedded is not None else _KILL_SHARE
        own = settings.model_copy(update={"shutdown_seconds": share * settings.shutdown_seconds})
        child = _Child(
            name,
            lambda events: self._spawn(name, body, own, events, **options),
            self._context.Queue,
            once=not restarts,
            becomes_ready=becomes_ready,
        )
        self._children.append(child)
        return child.run(time.monotonic())

    def _spawn(
        self,
        name: str,
        body: Callable[..., None],
        settings: Settings,
        events: Any,
        **options: Any,
    ) -> BaseProcess:
        process = self._context.Process(
            target=_run_child,
            args=(name, body, settings, self.base, events, logging.getLogger().level),
            kwargs=options,
            name=name,
        )
        # A child inherits the signal mask: SIGINT must not end it while it imports.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process


def _run_child(
    name: str,
    body: Callable[..., None],
    settings: Settings,
    base: Path,
    events: Any,
    level: int,
    **options: Any,
) -> None:
    configure_logging(level)

    def on_event(event: Mapping[str, Any]) -> None:
        events.put({**event, "process": name})

    try:
        as_child(body, settings, base, on_event, **options)
    except KeyboardInterrupt:
        pass
    except Exception as error:  # shown by the supervisor, without a traceback
        shown = str(error) if isinstance(error, BackstreamError) else repr(error)
        on_event({"event": "failed", "error": shown})
        on_event({"event": "ends"})  # "failed" is also sent by processes that go on
        events.close()
        events.join_thread()
        raise SystemExit(1) from error
