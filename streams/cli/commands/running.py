"""Commands that run the stream: demo, up, worker, trainer."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.console import notice, print_event
from streams.cli.options import BASE, BROKER, MODELS, with_settings

if TYPE_CHECKING:
    from streams.cli.stop_signal import StopSignal
    from streams.run.supervisor import Supervisor
    from streams.settings import Settings
    from streams.stages.topology import StageSpec

_POLL_SECONDS = 0.5
_ERROR_SECONDS = 30.0
"""Between two notes that progress cannot be read."""


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (demo, up, worker, trainer):
        app.command()(command)


@with_settings("state_dir", *BASE)
def demo(
    settings: "Settings",
    limit: Annotated[
        int | None, typer.Option(help="Feed at most this many documents.", show_default=False)
    ] = None,
) -> None:
    """Run the whole loop once: documents in, a new model out.

    Needs no Kafka and no documents of yours. Prints the curated examples and the model's metrics.

    Example: `backstream demo`
    """
    from streams.cli.prepare import prepare_all
    from streams.cli.probes import probe_curation
    from streams.run.demo.demo import run_demo
    from streams.run.state_lock import only_one

    probe_curation(settings)
    with only_one(settings.state_dir):
        raise typer.Exit(run_demo(settings, prepare_all(settings), limit))


@with_settings(*BROKER, "port", *MODELS, "device")
def up(
    settings: "Settings",
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    training: Annotated[
        bool, typer.Option("--training/--no-training", help="Run a trainer too.")
    ] = True,
    page: Annotated[
        bool, typer.Option("--page", help="Serve the live page too, at page.listen.")
    ] = False,
) -> None:
    """Run the stream: broker, workers and trainer, supervised.

    With --broker, the stream uses that Kafka and starts none. Ctrl-C stops it once what
    is in flight is finished, a second one at once.

    Example: `backstream up --port 9092`
    """
    from streams.cli.prepare import prepare_all
    from streams.cli.probes import probe_curation, probe_releases
    from streams.cli.stop_signal import StopSignal
    from streams.run.shutdown import ShutdownDeadline
    from streams.run.state_lock import only_one
    from streams.run.supervisor import Supervisor

    # Processes that end or wait for a wrong key or file would do so for ever.
    probe_releases(settings)
    probe_curation(settings)
    if page:
        from streams.page.web.serving import listening_on

        with listening_on(settings.page.address):  # raises where it is taken, or needs a token
            pass
    with only_one(settings.state_dir):
        base = prepare_all(settings)
        supervisor = Supervisor(settings, base, notice, lambda: stop.asked)
        deadline = ShutdownDeadline(settings.shutdown_seconds, "`backstream up`", supervisor.kill)
        stop = StopSignal(deadline.begin)
        stop.on_second = supervisor.abort
        try:
            with supervisor:
                try:
                    _supervise(supervisor, stop, workers, training, page)
                finally:
                    deadline.begin()
        except KeyboardInterrupt:  # while the broker was starting
            notice("stopped before Kafka had started")
            raise typer.Exit(130) from None
        except SystemExit:  # the second signal
            notice("stopped at once; what was in flight is processed again after the next start")
            raise
    given, directory = settings.given_broker, settings.state_dir
    where = f"are on {given}, the releases" if given else "and the releases are"
    notice(f"stopped; the topics {where} in {directory}; the same command continues from there")


def _supervise(
    supervisor: "Supervisor", stop: "StopSignal", workers: int, training: bool, page: bool
) -> None:
    """Start the processes and show what they do, until a signal."""
    from streams.cli.login import login
    from streams.observe.progress import STOPPING, Progress
    from streams.run.flow_watch import FlowWatch
    from streams.stages.topology import stages_of

    stages = stages_of(supervisor.settings)
    cluster = supervisor.settings.kafka.cluster()
    at = cluster.address
    notice(f"broker at {at}; feed it with `backstream feed --broker {at} FILE`")
    for number in range(workers):
        supervisor.start_worker(number)
    if training:
        supervisor.start_trainer()
    if page:
        supervisor.start_page(login())
    with Progress() as progress, FlowWatch(cluster, _POLL_SECONDS, stages) as watch:
        noted = 0.0
        while not stop.asked:
            for event in supervisor.poll():
                progress.event(event)
            for warning in watch.take_warnings():
                progress.note(warning)
            if (flow := watch.take()) is not None:
                progress.flow(flow)
            elif watch.error is not None and time.monotonic() - noted > _ERROR_SECONDS:
                noted = time.monotonic()
                progress.note(f"no progress can be shown: {watch.error}")
            stop.wait(_POLL_SECONDS)
        progress.note(STOPPING)


@with_settings(*BROKER, *MODELS, "device", "metrics_port")
def worker(
    settings: "Settings",
    stages: Annotated[
        str | None, typer.Option(help="Comma-separated stages. [default: all]", show_default=False)
    ] = None,
) -> None:
    """Run the stages of one worker against a broker.

    Several workers share the partitions of the topics.

    Example: `backstream worker --broker kafka:9092 --metrics-port 9464`
    """
    from streams.cli.connection import connected
    from streams.cli.prepare import prepare_all
    from streams.cli.probes import probe_curation
    from streams.run.processes import run_worker
    from streams.stages.topology import topics_of

    chosen = _choose_stages(settings, stages)
    if any(stage.state for stage in chosen):  # the curator
        probe_curation(settings)
    base = prepare_all(settings)
    with connected(settings, *topics_of(chosen), create_state=True) as settings:
        run_worker(settings, base, print_event, chosen)


@with_settings(*BROKER, *BASE)
def trainer(
    settings: "Settings",
    once: Annotated[
        bool, typer.Option("--once", help="Train once on the examples that are there, and end.")
    ] = False,
) -> None:
    """Run the trainer against a broker.

    It follows `curated`, trains when a run is due, and announces releases.

    Example: `backstream trainer --broker kafka:9092 --once`
    """
    from streams.cli.connection import connected
    from streams.cli.prepare import prepare_base
    from streams.run.processes import run_trainer
    from streams.trainer.service import TRAINER_TOPICS

    base = prepare_base(settings)
    with connected(settings, *TRAINER_TOPICS, create_state=True) as settings:
        run_trainer(settings, base, print_event, once=once)


def _choose_stages(settings: "Settings", names: str | None) -> list["StageSpec"]:
    from streams.stages.topology import stages_of

    known = {spec.name: spec for spec in stages_of(settings)}
    chosen = [name.strip() for name in names.split(",")] if names else list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SettingsError(
            f"--stages: there is no stage {', '.join(unknown)}; the stages are {', '.join(known)}"
        )
    return [known[name] for name in chosen]
