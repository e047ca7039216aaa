"""The bodies of the long-running processes: worker and trainer.

``up`` and ``demo`` supervise them; ``worker`` and ``trainer`` run one.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.child_process import end_with_parent
from models.private_files import private_umask
from schemas.errors import FencedError
from streams.run.endpoint import serve_metrics
from streams.run.event_loop import fast_event_loop
from streams.settings import Settings
from streams.stages.metrics import Metrics
from streams.stages.topology import STAGES, StageSpec
from streams.trainer.service import TrainerService
from streams.worker.release_follower import OnEvent, ReleaseFollower
from streams.worker.worker import Worker

BOTH_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ABORTED = 130
"""Exit status after a second signal, as of a shell command that SIGINT ended."""


def run_worker(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    stages: Sequence[StageSpec] = STAGES,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Run stages until a signal: the first one drains them, the second ends the process at once.

    When a release is put into service, the models are replaced while the stages go on. Raises what
    ended the worker.
    """
    with asyncio.Runner(loop_factory=fast_event_loop()) as runner:
        runner.run(_serve(settings, base, on_event, stages, signals))


def run_trainer(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    *,
    once: bool = False,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Train until a signal, or until a newer trainer of the same group starts.

    See ``TrainerService.run``. With ``once`` raises FencedError where a newer trainer started.
    """
    service = TrainerService(settings, base, on_event)
    for number in signals:
        signal.signal(number, lambda *_: service.stop())
    try:
        with private_umask():  # all that it and its training runs write is in the state directory
            service.run(once=once)
    except FencedError as error:
        if once:
            raise
        on_event({"event": "fenced", "error": str(error)})


def as_child(body: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Run a body as a supervised child: it ignores SIGINT and ends with its parent.

    Ctrl-C sends SIGINT to the whole process group; the supervisor sends each child a SIGTERM.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    body(*arguments, signals=(signal.SIGTERM,), **options)


async def _serve(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    stages: Sequence[StageSpec],
    signals: Sequence[signal.Signals],
) -> None:
    metrics = Metrics()
    worker = Worker(settings, stages, metrics)
    _stop_at(signals, worker)
    with serve_metrics(
        settings.metrics_host, settings.metrics_port, metrics, lambda: worker.not_ready
    ) as port:
        async with ReleaseFollower(
            settings, base, worker.roles, on_event, worker.reader, metrics
        ) as follower:
            models = follower.models
            ready = {"event": "ready", "release": models.release, "metrics_port": port}
            await worker.run(models.handles, follower, lambda: on_event(ready))


def _stop_at(signals: Sequence[signal.Signals], worker: Worker) -> None:
    """Drain at the first signal. End at once at the second: what is in flight comes again."""

    def stop() -> None:
        if worker.stopping:
            # Not SystemExit: with it the process was seen to hang while the event loop closes.
            os._exit(_ABORTED)
        worker.stop()

    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop)
