"""The bodies of the long-running processes: worker, trainer, intake and watch.

``up`` and ``demo`` supervise the first two; a command of its name runs one.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.child_process import end_with_parent
from models.private_files import private_umask
from schemas.errors import FencedError
from streams.intake.http.serving import serving
from streams.intake.watch.opening import Reading, watching
from streams.run.endpoint import serve_metrics
from streams.run.event_loop import fast_event_loop
from streams.run.pulse import Pulse
from streams.run.shutdown import ShutdownDeadline, stop_at
from streams.settings import Settings
from streams.stages.metrics import Metrics
from streams.stages.topology import StageSpec, stages_of
from streams.trainer.broker_probe import BrokerProbe
from streams.trainer.service import TrainerService
from streams.worker.release_follower import OnEvent, ReleaseFollower
from streams.worker.worker import Worker

BOTH_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_worker(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    stages: Sequence[StageSpec] | None = None,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Run stages until a signal: the first one drains them, the second ends the process at once.

    By default those of the settings run.
    When a release is deployed, the models are replaced while the stages go on. Raises what
    ended the worker. The process ends ``shutdown_seconds`` after a signal or an error at the
    latest.
    """
    deadline = ShutdownDeadline(settings.shutdown_seconds, "the worker")
    with asyncio.Runner(loop_factory=fast_event_loop()) as runner:
        try:
            runner.run(
                _serve(settings, base, on_event, stages or stages_of(settings), signals, deadline)
            )
        finally:
            deadline.begin()  # tasks and threads that do not end must not keep the process


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
    metrics = Metrics()
    service = TrainerService(settings, base, on_event, metrics)
    with contextlib.ExitStack() as stack:
        if signals:
            deadline = ShutdownDeadline(settings.shutdown_seconds, "the trainer", service.abort)
            stop_at(signals, service.stop, deadline)
            stack.callback(deadline.begin)
        port = stack.enter_context(_trainer_endpoint(settings, metrics, service))
        # All that it and its training runs write is in the state directory.
        stack.enter_context(private_umask())
        try:
            service.run(
                once=once,
                on_following=lambda: on_event({"event": "following", "metrics_port": port}),
            )
        except FencedError as error:
            if once:
                raise
            on_event({"event": "fenced", "error": str(error)})


@contextlib.contextmanager
def _trainer_endpoint(
    settings: Settings, metrics: Metrics, service: TrainerService
) -> Iterator[int | None]:
    port = settings.trainer_metrics_port
    if port is None:
        yield None
        return
    with (
        BrokerProbe(settings.kafka.cluster()) as probe,
        serve_metrics(
            settings.metrics_host,
            port,
            metrics,
            lambda: service.not_ready or probe.not_ready,
            setting="trainer_metrics_port",
        ) as found,
    ):
        yield found


def run_intake(
    settings: Settings, on_event: OnEvent, signals: Sequence[signal.Signals] = BOTH_SIGNALS
) -> None:
    """Accept documents by HTTP until a signal: the first one finishes the requests in flight.

    Raises SettingsError where the address cannot be used, BrokerError where Kafka does not answer.
    """
    deadline = ShutdownDeadline(settings.shutdown_seconds, "the intake")
    try:
        asyncio.run(_take_in(settings, on_event, signals, deadline))
    finally:
        deadline.begin()


async def _take_in(
    settings: Settings,
    on_event: OnEvent,
    signals: Sequence[signal.Signals],
    deadline: ShutdownDeadline,
) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stopping.set)

    stop_at(signals, stop, deadline)
    async with serving(settings, Metrics()) as address:
        on_event({"event": "ready", "address": f"http://{address}"})
        await stopping.wait()


def run_watch(
    settings: Settings,
    names: Sequence[str],
    reading: Reading,
    on_event: OnEvent,
    *,
    once: bool = False,
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> tuple[int, int]:
    """Watch sources until a signal, or with ``once`` until everything that is there is fed.

    Returns how many documents were acknowledged, and how many could not be read. Raises
    SettingsError where a source cannot be used, BrokerError where Kafka does not answer.
    """
    if hasattr(signal, "SIGIO"):  # sent where a file is opened while it is asked for writers
        signal.signal(signal.SIGIO, signal.SIG_IGN)
    metrics = Metrics()
    with contextlib.ExitStack() as stack:
        deadline = ShutdownDeadline(settings.shutdown_seconds, "`backstream watch`")
        stack.enter_context(private_umask())  # what it writes is in the state directory
        made = stack.enter_context(watching(settings, names, reading, metrics, on_event))
        stop_at(signals, made.stop, deadline)
        port = stack.enter_context(
            serve_metrics(
                settings.metrics_host,
                settings.watch.metrics_port,
                metrics,
                lambda: made.not_ready,
                setting="watch.metrics_port",
            )
        )
        on_event({"event": "ready", "sources": list(names), "metrics_port": port})
        made.run(once)
    return made.documents, made.refused


def run_page(
    settings: Settings,
    base: Path | None,
    on_event: OnEvent,
    *,
    person: str = "",
    signals: Sequence[signal.Signals] = BOTH_SIGNALS,
) -> None:
    """Serve the live page until a signal.

    It needs no model; of ``base`` it shows how reliable its ratings are. ``person`` is who decides
    where a browser does not say. The topics are followed into a file of the state directory where
    that exists, else into a temporary one. Raises SettingsError where the address cannot be used,
    StoreError where another page uses the file.
    """
    # The server and the templates take a while to import, and no other process needs them.
    from models.releases.cache import default_cache
    from models.releases.release import read_manifest
    from streams.observe.failing import read_failing
    from streams.observe.lag import StageLag
    from streams.observe.missing_workers import missing_workers, worker_options
    from streams.page.promises import Promises
    from streams.page.releases_in_use import ReleasesInUse
    from streams.page.store.follower import Follower
    from streams.page.store.passage_finder import PassageFinder
    from streams.page.store.refused_reader import RefusedReader
    from streams.page.store.store import Store
    from streams.page.web.acting import KafkaActions
    from streams.page.web.serving import PageServer, listening_on
    from streams.releases.store import release_store

    deadline = ShutdownDeadline(settings.shutdown_seconds, "the page")
    cluster, releases = settings.kafka.cluster(), settings.releases_dir
    file = settings.state_dir / "page" / "page.sqlite" if settings.state_dir.is_dir() else None
    base_id = None if base is None else read_manifest(base).id
    in_use = ReleasesInUse(release_store(settings), base_id)

    def missing(stages: Sequence[StageLag], workers: Mapping[str, int]) -> Iterable[str]:
        failing = read_failing(settings.state_dir)
        return missing_workers(stages, workers, worker_options(settings), failing)

    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(listening_on(settings.page.address))
        store = stack.enter_context(
            Store(
                file,
                promise_of=Promises(releases, default_cache(), base),
                in_use_of=in_use,
                releases_dir=releases,
            )
        )
        stack.enter_context(Follower(cluster, store, stages_of(settings), missing))
        stack.enter_context(RefusedReader(settings, store))
        server = PageServer(
            listening,
            store,
            KafkaActions(cluster, settings.curation.threshold),
            settings.page,
            person=person,
            refused_of=PassageFinder(settings),
        )
        stop_at(signals, server.stop, deadline)
        stack.callback(deadline.begin)
        on_event({"event": "page", "url": server.url})
        server.run()


def as_child(body: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Run a body as a supervised child: it ignores SIGINT and ends with its parent.

    Ctrl-C sends SIGINT to the whole process group; the supervisor sends each child a SIGTERM.
    """
    end_with_parent()
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os._exit(1)  # it ended before the line above
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    body(*arguments, signals=(signal.SIGTERM,), **options)


async def _serve(
    settings: Settings,
    base: Path,
    on_event: OnEvent,
    stages: Sequence[StageSpec],
    signals: Sequence[signal.Signals],
    deadline: ShutdownDeadline,
) -> None:
    metrics = Metrics()
    worker = Worker(settings, stages, metrics)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(worker.stop)

    # Not the loop's own handlers: the deadline must also begin while the loop is blocked.
    stop_at(signals, stop, deadline)
    pulse = Pulse()
    beating = asyncio.create_task(pulse.run())
    with serve_metrics(
        settings.metrics_host,
        settings.metrics_port,
        metrics,
        lambda: worker.not_ready,
        pulse.blocked,
    ) as port:
        async with ReleaseFollower(
            settings, base, worker.roles, on_event, worker.reader, metrics
        ) as follower:
            models = follower.models
            ready = {"event": "ready", "release": models.release, "metrics_port": port}
            await worker.run(models.handles, follower, lambda: on_event(ready), deadline.begin)
    beating.cancel()
