"""Commands that run the stream: ``up``, ``worker``, ``trainer``, ``demo``."""

import json
import signal
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from models.releases.catalogue import default_cache, prepare
from schemas.errors import SettingsError
from streams.cli.options import (
    Assignments,
    Backward,
    Broker,
    ConfigFile,
    Device,
    Forward,
    Model,
    StateDir,
    connected,
    prepare_models,
    say,
    settings_from,
)
from streams.observe.lag import FlowReader
from streams.observe.progress import Progress
from streams.run.demo import run_demo
from streams.run.processes import run_trainer, run_worker
from streams.run.supervisor import Supervisor
from streams.stages.topology import STAGES, StageSpec

_POLL_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (demo, up, worker, trainer):
        app.command()(command)


def demo(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    model: Model = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Feed only so many documents.", show_default=False)
    ] = None,
) -> None:
    """Show the whole loop on this machine: real documents in, curated examples and a new model out.

    Example: `backstream demo`
    """
    settings = settings_from(config, assignments, state_dir=state_dir, model=model)
    raise typer.Exit(run_demo(settings, prepare_models(settings), limit))


def up(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the embedded broker.", show_default=False)
    ] = None,
    model: Model = None,
    backward: Backward = None,
    forward: Forward = None,
    device: Device = None,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    training: Annotated[
        bool, typer.Option("--training/--no-training", help="Run a trainer too.")
    ] = True,
) -> None:
    """Run the stream for good: broker (unless --broker), workers and trainer, supervised. Ctrl-C
    drains; twice aborts.

    Example: `backstream up --port 9092`
    """
    settings = settings_from(
        config,
        assignments,
        state_dir=state_dir,
        broker=broker,
        port=port,
        model=model,
        backward=backward,
        forward=forward,
        device=device,
    )
    base = prepare_models(settings)
    stop = _StopSignal()
    with Supervisor(settings, base, say) as supervisor, Progress() as progress:
        say(
            f"broker at {supervisor.settings.kafka.bootstrap_servers}; feed it with "
            "`backstream feed FILE`"
        )
        for number in range(workers):
            supervisor.start_worker(number)
        if training:
            supervisor.start_trainer()
        with FlowReader(supervisor.settings.kafka.cluster()) as flow:
            while not stop.asked:
                for event in supervisor.poll():
                    progress.event(event)
                progress.flow(flow.read())
                stop.wait(_POLL_SECONDS)
        stop.on_second = supervisor.abort
        progress.note("draining; Ctrl-C again to abort")


def worker(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    model: Model = None,
    backward: Backward = None,
    forward: Forward = None,
    device: Device = None,
    stages: Annotated[
        str | None, typer.Option(help="Comma-separated stages. [default: all]", show_default=False)
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve /metrics, /live and /ready here.", show_default=False)
    ] = None,
) -> None:
    """Run the stages of one worker against a broker. Start as many as you like: they share the
    work.

    Example: `backstream worker --broker kafka:9092 --metrics-port 9464`
    """
    settings = settings_from(
        config,
        assignments,
        state_dir=state_dir,
        broker=broker,
        model=model,
        backward=backward,
        forward=forward,
        device=device,
        metrics_port=metrics_port,
    )
    chosen = _choose_stages(stages)
    base = prepare_models(settings)
    with connected(settings) as settings:
        run_worker(settings, base, _print_event, chosen)


def trainer(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    model: Model = None,
    once: Annotated[
        bool, typer.Option("--once", help="Train once on what there is, and end.")
    ] = False,
) -> None:
    """Run the trainer against a broker: it follows `curated`, trains when due, and announces
    releases.

    Example: `backstream trainer --broker kafka:9092 --once`
    """
    settings = settings_from(config, assignments, state_dir=state_dir, broker=broker, model=model)
    base = prepare(settings.model, default_cache(), progress=say)
    with connected(settings) as settings:
        run_trainer(settings, base, _print_event, once=once)


class _StopSignal:
    """Ctrl-C and SIGTERM as a flag; the second one calls ``on_second`` and ends the process."""

    def __init__(self) -> None:
        self.asked = False
        self.on_second: Any = lambda: None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def wait(self, seconds: float) -> None:
        """Sleep, or less where a signal comes."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _receive(self, *_: object) -> None:
        if self.asked:
            self.on_second()
            sys.exit(130)
        self.asked = True


def _choose_stages(names: str | None) -> list[StageSpec]:
    known = {spec.name: spec for spec in STAGES}
    chosen = [name.strip() for name in names.split(",")] if names else list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SettingsError(f"no stage {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in chosen]


def _print_event(event: Mapping[str, Any]) -> None:
    print(json.dumps(event), flush=True)
