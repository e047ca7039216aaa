"""The bodies of the long-running processes: a worker and a trainer. ``up`` supervises them; commands of their own run one."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.lifeline import end_with_parent
from models.release import read_manifest
from schemas.errors import ModelError
from streams.endpoint import serve_metrics
from streams.metrics import Metrics
from streams.rollout import choose, wait_for_another
from streams.settings import Settings
from streams.topology import STAGES, StageSpec
from streams.trainer import TrainerService
from streams.worker import Worker

OnEvent = Callable[[Mapping[str, Any]], None]
BOTH_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_worker(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    stages: Sequence[StageSpec] = STAGES,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Serve until a signal: it drains, a second one ends the process at once. Raises what ended the worker.

    When a release takes service, the stages drain and start again with it.
    """
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_serve(settings, base, on_event, stages, signals))


def run_trainer(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    *,
    once: bool = False,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Train until a signal; see TrainerService."""
    service = TrainerService(settings, base, on_event)
    for number in signals:
        signal.signal(number, lambda *_: service.stop())
    service.run(once=once)


def as_child(body: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Run a body as a supervised child, which obeys SIGTERM alone and ends with its parent.

    Ctrl-C reaches the terminal's whole group; the supervisor makes one SIGTERM of it for each child.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    body(*arguments, signals=(signal.SIGTERM,), **options)


async def _serve(
    settings: Settings, base: Path, on_event: OnEvent, stages: Sequence[StageSpec], signals: Sequence[signal.Signals]
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
    client = settings.kafka.client()
    base_id = read_manifest(base).id
    # Stages without a model, or with a pinned one, have no reason to stop for a release.
    follows = any(spec.role is not None and settings.pinned(spec.role) is None for spec in stages)
    with serve_metrics(settings.metrics_port, measures, lambda: current is not None and current.ready) as port:
        refused: set[str] = set()
        while not stopping.is_set():
            choice = await asyncio.to_thread(choose, client, base, refused)
            serving = read_manifest(choice.directory).id
            current = Worker(settings, choice.directory, stages, measures)

            async def announce(worker: Worker = current) -> None:
                on_event({"event": "ready", "release": worker.release, "metrics_port": port})

            watch = [asyncio.create_task(_stop_for_another(client, base_id, choice.considered, current))] if follows else []
            try:
                await current.run(announce)
            except ModelError as error:
                if serving == base_id:
                    raise
                refused.add(serving)  # the release before it stays in service: here, the base
                on_event({"event": "failed", "error": f"release {serving} is refused: {error}"})
            finally:
                for task in watch:
                    task.cancel()
                await asyncio.gather(*watch, return_exceptions=True)


async def _stop_for_another(client: Mapping[str, Any], base: str, considered: str | None, worker: Worker) -> None:
    await wait_for_another(client, base, considered)
    worker.stop()


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop's loop, which halves the cost of a hop; asyncio's own where it is not to be had (Windows)."""
    with contextlib.suppress(ImportError):
        import uvloop

        # faust's consumer threads make loops of their own, by the policy.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        return uvloop.new_event_loop
    return None
