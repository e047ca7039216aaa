"""The bodies of the long-running processes: a worker and a trainer. ``up`` supervises them;
commands of their own run one.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from models.child_process import end_with_parent
from schemas.errors import BrokerError, FencedError
from schemas.records import Release
from streams.run.endpoint import serve_metrics
from streams.run.event_loop import fast_event_loop
from streams.settings import Role, Settings
from streams.stages.metrics import Metrics
from streams.stages.topology import STAGES, StageSpec
from streams.trainer.service import TrainerService
from streams.worker.models import Models
from streams.worker.rollout import OnEvent, Rollout
from streams.worker.worker import Worker

log = logging.getLogger(__name__)
_RETRY_SECONDS = 2.0
BOTH_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_worker(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    stages: Sequence[StageSpec] = STAGES,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Serve until a signal: it drains, a second one ends the process at once. Raises what ended the
    worker.

    When a release takes service, the models change to it while the stages go on.
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
    """Train until a signal, or until another trainer takes over; see TrainerService."""
    service = TrainerService(settings, base, on_event)
    for number in signals:
        signal.signal(number, lambda *_: service.stop())
    try:
        service.run(once=once)
    except FencedError as error:
        if once:
            raise
        on_event({"event": "fenced", "error": str(error)})


def as_child(body: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Run a body as a supervised child, which obeys SIGTERM alone and ends with its parent.

    Ctrl-C reaches the terminal's whole group; the supervisor makes one SIGTERM of it for each
    child.
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
    stopping = asyncio.Event()
    current: Worker | None = None

    def stop() -> None:
        if stopping.is_set():
            raise SystemExit(130)  # asked twice: abort; what is in flight comes again
        stopping.set()
        if current is not None:
            current.stop()

    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop)
    measures = Metrics()
    rollout = Rollout(settings, base, on_event)
    with serve_metrics(
        settings.metrics_port, measures, lambda: current is not None and current.ready
    ) as port:
        models = await rollout.load([spec.role for spec in stages if spec.role])
        worker = current = Worker(settings, models.services, stages, measures)
        following: list[asyncio.Task[None]] = []

        async def ready() -> None:
            on_event({"event": "ready", "release": models.release, "metrics_port": port})
            # Stages without a model, or with a pinned one, have nothing to follow.
            if models.follows:
                following.append(asyncio.create_task(_follow(rollout, models, worker, settings)))

        if stopping.is_set():
            worker.stop()
        try:
            await worker.run(ready)
        finally:
            await _end(following)
            models.close()


async def _follow(rollout: Rollout, models: Models, worker: Worker, settings: Settings) -> None:
    """Keep the worker at the release in service, and have each that takes service rate again what
    was rated before.
    """
    rerates = (
        settings.rates_again and Role.FORWARD in models.follows
    )  # a worker may have no stage that rates
    rerating: list[asyncio.Task[None]] = []
    try:
        async for release in rollout.follow(models):
            if rerates:
                await _end(rerating)
                rerating = [
                    asyncio.create_task(
                        _rate_again(worker, release, settings.rerating.after_seconds)
                    )
                ]
    except Exception as error:
        worker.fail(error)
    finally:
        await _end(rerating)


async def _rate_again(worker: Worker, release: Release, after_seconds: float) -> None:
    await asyncio.sleep(max(0.0, release.announced_at + after_seconds - time.time()))
    while True:
        try:
            await worker.rate_again(release)
        except (
            BrokerError
        ) as error:  # the stages outlive a broker that is away for a while, and so does this
            log.warning("%s; trying again", error)
            await asyncio.sleep(_RETRY_SECONDS)
        except Exception as error:
            worker.fail(error)
            return
        else:
            return


async def _end(tasks: Iterable["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
