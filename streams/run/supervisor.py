"""Supervises the processes of ``up`` and ``demo``: broker, workers and trainer.

The broker is started first and stopped last. Workers and trainer are restarted when they fail.
"""

import contextlib
import logging
import multiprocessing
import queue
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from schemas.errors import BrokerError
from streams.kafka.broker import EmbeddedBroker, running_address
from streams.kafka.creation import create_topics
from streams.logs import configure_logging
from streams.run.processes import as_child, run_trainer, run_worker
from streams.settings import Settings

_STOP_SECONDS = 45.0
_LONGEST_BACKOFF = 30.0
"""Seconds before a restart; they double with each failure in a row."""
_STEADY_SECONDS = 60.0
"""A process that ran for this long counts its failures from 1 again."""


@dataclass
class _Child:
    """One supervised process."""

    name: str
    start: Callable[[], BaseProcess]
    once: bool = False
    """Whether it is not restarted when it ends."""
    process: BaseProcess | None = None
    started: float = 0.0
    failures: int = 0
    restart_at: float = 0.0


@dataclass
class Supervisor:
    """Starts the broker on entry, unless there is one, and stops all processes on exit.

    Use as a context manager, and call ``poll`` regularly: it returns the events of the child
    processes and restarts those that ended.
    """

    settings: Settings
    base: Path
    on_line: Callable[[str], None] = print
    _broker: EmbeddedBroker | None = None
    _children: list[_Child] = field(default_factory=list)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> "Supervisor":
        # Spawned, not forked: a child must not inherit threads, loops and sockets.
        self._context = multiprocessing.get_context("spawn")
        self._events: Any = self._context.Queue()
        with contextlib.ExitStack() as stack:
            address = self.settings.given_broker or running_address(self.settings.broker_dir)
            if address is None:
                self.on_line(f"starting the embedded Kafka in {self.settings.broker_dir}")
                self._broker = stack.enter_context(
                    EmbeddedBroker(self.settings.broker_dir, self.settings.port)
                )
                address = self._broker.address
            self.settings = self.settings.with_broker(address)
            create_topics(self.settings.kafka.cluster(), self.settings.kafka.wanted_topics())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop_children()
        finally:
            self._stack.close()

    def start_worker(self, number: int = 0) -> None:
        """Start a worker and keep it running.

        Its metrics port is that of the settings plus ``number``.
        """
        port = self.settings.metrics_port
        settings = self.settings.model_copy(
            update={"metrics_port": port + number if port else port}
        )
        self._add(f"worker-{number}", run_worker, settings)

    def start_trainer(self) -> None:
        """Start the trainer and keep it running."""
        self._add("trainer", run_trainer, self.settings)

    def train_once(self) -> BaseProcess:
        """Start a trainer that trains once on what there is. It is not restarted."""
        child = _Child(
            "trainer",
            lambda: self._spawn("trainer", run_trainer, self.settings, once=True),
            once=True,
        )
        child.process = child.start()
        self._children.append(child)
        return child.process

    def poll(self) -> list[Mapping[str, Any]]:
        """Restart the processes that ended; return the events since the last call, oldest first.

        Each event is a mapping with ``event``, its kind (``ready``, ``training``, ``step``,
        ``announced``, ``died`` ...), and ``process``. Raises BrokerError where the embedded broker
        ended by itself, as it does on a full disk.
        """
        if self._broker is not None and not self._broker.alive:
            raise self._broker.death()
        events: list[Mapping[str, Any]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        fenced = {event["process"] for event in events if event["event"] == "fenced"}
        now = time.monotonic()
        for child in self._children:
            # Fenced: a newer process with the same transactional id took over. A restart would
            # fence that one.
            child.once = child.once or child.name in fenced
            if child.once:
                continue
            if child.process is not None and not child.process.is_alive():
                events.append(
                    {"event": "died", "process": child.name, "exit_code": child.process.exitcode}
                )
                child.failures = 1 if now - child.started > _STEADY_SECONDS else child.failures + 1
                child.restart_at = now + min(2.0 ** (child.failures - 1), _LONGEST_BACKOFF)
                child.process = None
            if child.process is None and now >= child.restart_at:
                child.process, child.started = child.start(), now
        return events

    def stop_children(self) -> None:
        """Ask all children to drain, wait, and kill those that are still running then."""
        running = self._running()
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._children.clear()

    def abort(self) -> None:
        """Kill the children. Records in flight are processed again after the next start."""
        for process in self._running():
            process.kill()

    def _running(self) -> list[BaseProcess]:
        return [child.process for child in self._children if child.process is not None]

    def _add(self, name: str, body: Callable[..., None], settings: Settings) -> None:
        child = _Child(name, lambda: self._spawn(name, body, settings))
        child.process, child.started = child.start(), time.monotonic()
        self._children.append(child)

    def _spawn(
        self, name: str, body: Callable[..., None], settings: Settings, **options: Any
    ) -> BaseProcess:
        process = self._context.Process(
            target=_run_child,
            args=(name, body, settings, self.base, self._events, logging.getLogger().level),
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
        shown = str(error) if isinstance(error, BrokerError) else repr(error)
        on_event({"event": "failed", "error": shown})
        events.close()
        events.join_thread()
        raise SystemExit(1) from error
