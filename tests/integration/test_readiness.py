"""What ``/ready`` and ``/live`` answer, and how a worker stops, while its surroundings fail."""

import asyncio
import multiprocessing
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.segmenter import Segmenter
from models.seeds import read_seeds
from streams.data.feed import feed, seed
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.observe.lag import FlowReader
from streams.run.processes import as_child, run_trainer, run_worker
from streams.settings import Settings, load
from tests.integration.conftest import ChildProcess, WorkerProcess, kill_broker
from tests.integration.documents import notes
from tests.integration.waiting import wait_until

_SHUTDOWN_SECONDS = 6


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker that the test may kill."""
    broker = EmbeddedBroker(tmp_path / "kafka")
    broker.start()
    yield broker
    if broker.pid is not None:
        os.kill(broker.pid, signal.SIGCONT)
    broker.stop()


def _settings(broker: EmbeddedBroker, tmp_path: Path, *more: str) -> Settings:
    made = load(
        None,
        {"state_dir": tmp_path / "state", "metrics_port": 0},
        (
            "kafka.session_seconds=6",
            "threads=1",
            "trainer_metrics_port=0",
            f"shutdown_seconds={_SHUTDOWN_SECONDS}",
            *more,
        ),
    ).with_broker(broker.address)
    create_topics(made.kafka.cluster())
    return made


def _get(port: object, path: str, process: ChildProcess | None = None) -> tuple[int, str]:
    """What is answered. Where nothing listens, fails with what became of the process."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=180) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()
    except urllib.error.URLError as error:
        pytest.fail(f"{path}: {error}: {process.describe(10) if process else 'see above'}")


def _send(broker: EmbeddedBroker, number: signal.Signals) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, number)


def _run_trainer(settings: Settings, base: Path, events) -> None:
    as_child(run_trainer, settings, base, events.put)


@pytest.mark.kafka
def test_without_a_broker_processes_are_live_and_not_ready_and_still_stop(
    own_broker, house, tmp_path
):
    settings = _settings(own_broker, tmp_path)
    # From then on the trainer asks the broker which release is deployed.
    seed(settings.kafka.cluster(), read_seeds()[:1])
    worker = WorkerProcess(settings, house)
    trainer = ChildProcess(_run_trainer, settings, house)
    try:
        ports = [
            (process.wait_until_ready()["metrics_port"], process) for process in (worker, trainer)
        ]

        def get(path: str) -> list[tuple[int, str]]:
            return [_get(port, path, process) for port, process in ports]

        assert get("/ready") == [(200, "ok")] * 2

        def ready(status: int) -> None:
            wait_until(lambda: {code for code, _ in get("/ready")} == {status})
            assert get("/live") == [(200, "ok")] * 2

        _send(own_broker, signal.SIGSTOP)
        ready(503)
        for _, reason in get("/ready"):
            assert "answer" in reason
        _send(own_broker, signal.SIGCONT)
        ready(200)

        kill_broker(own_broker)
        ready(503)
        wait_until(lambda: "no connection to Kafka" in get("/ready")[1][1])  # it has asked
        own_broker.start()
        feed(settings.kafka.cluster(), notes(range(2)))
        ready(200)
        with FlowReader(settings.kafka.cluster()) as reader:
            wait_until(lambda: reader.read().idle)

        _send(own_broker, signal.SIGSTOP)
        started = time.monotonic()
        os.kill(trainer.pid, signal.SIGTERM)
        codes = {worker.terminate(), trainer.exit_code()}  # a second SIGTERM ends it at once
        assert time.monotonic() - started < _SHUTDOWN_SECONDS + 10
        assert codes <= {0, 1}
    finally:
        worker.kill()
        trainer.kill()


def _run_stuck_worker(settings: Settings, base: Path, events) -> None:
    async def handle(*_: object) -> None:
        await asyncio.Event().wait()

    Segmenter.handle = handle  # type: ignore[method-assign,assignment]
    as_child(run_worker, settings, base, events.put)


@pytest.mark.kafka
def test_a_worker_whose_agent_hangs_is_not_ready_and_still_stops(broker, settings, house):
    settings = settings.model_copy(
        update={
            "metrics_port": 0,
            "shutdown_seconds": _SHUTDOWN_SECONDS,
            "kafka": settings.kafka.model_copy(update={"stalled_seconds": 2.0}),
        }
    )
    feed(settings.kafka.cluster(), notes(range(3)))
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    worker = context.Process(target=_run_stuck_worker, args=(settings, house, events), daemon=True)
    worker.start()
    try:
        while (event := events.get(timeout=270))["event"] != "ready":
            pass
        port = event["metrics_port"]
        # Brokers hold a fetch of an empty topic for 1.5 s, so within 2 s other stages may not have
        # had an answer yet. The segmenter is named before them once it is stalled.
        wait_until(lambda: _get(port, "/ready")[1].startswith("segmenter: records are being"))
        code, reason = _get(port, "/ready")
        assert code == 503
        assert reason.startswith("segmenter: records are being processed, and")
        assert _get(port, "/live") == (200, "ok")
        started = time.monotonic()
        worker.terminate()
        worker.join(180)
        assert time.monotonic() - started < _SHUTDOWN_SECONDS + 10
        assert worker.exitcode in (0, 1)
    finally:
        worker.kill()
    with FlowReader(settings.kafka.cluster()) as reader:
        first, *others = [stage.lag for stage in reader.read().stages]
        assert (first, {*others}) == (3, {0})
