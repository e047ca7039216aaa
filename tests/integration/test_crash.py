"""Processes and the broker are killed or stopped while records are in flight."""

import contextlib
import os
import random
import signal
from functools import partial

import psutil
import pytest
from kafka import KafkaAdminClient

from streams.data.dataset import snapshot
from streams.data.feed import feed
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.observe.audit import audit
from streams.observe.lag import Flow, FlowReader
from streams.settings import Settings
from streams.stages.topology import STAGES
from tests.integration.conftest import kill_broker, wait_for_flow, wait_until_idle
from tests.integration.documents import notes
from tests.integration.waiting import wait_until


def written(topic: str, count: int, flow: Flow) -> bool:
    return flow.messages[topic] >= count


def account_of(settings):
    cluster = settings.kafka.cluster()
    with FlowReader(cluster) as reader:
        return audit(cluster, reader.committed())


def members(settings: Settings) -> list[int]:
    """The number of consumers in the group of each stage."""
    cluster = settings.kafka.cluster()
    groups = [cluster.consumer_group(spec.name) for spec in STAGES]
    with contextlib.closing(KafkaAdminClient(**cluster.client)) as admin:
        described = admin.describe_groups(groups)
    return [len(described[group]["members"]) for group in groups]


@pytest.mark.parametrize("seed", [11])
def test_kill_9_of_a_worker_loses_nothing(settings, start_worker, seed):
    count = 60
    assert feed(settings.kafka.cluster(), notes(range(count))).written == count
    chance = random.Random(seed)
    for _ in range(3):
        worker = start_worker()
        worker.wait_until_ready()
        so_far = wait_for_flow(settings, lambda flow: flow.messages["segments"] > 0)
        wanted = min(count - 5, so_far.messages["candidates"] + chance.randint(1, 12))
        wait_for_flow(settings, partial(written, "candidates", wanted))
        worker.kill()
    start_worker().wait_until_ready()
    wait_until_idle(settings, count)
    account = account_of(settings)
    assert account.complete, account
    assert [stage.ids for stage in account.stages][:2] == [count, count]
    assert all(stage.dead == 0 and stage.in_flight == 0 for stage in account.stages)
    kept = snapshot(settings.kafka.cluster())
    assert len({example.id for example in kept}) == len(kept) > 0


def test_feeding_twice_changes_nothing_downstream(settings, start_worker):
    cluster = settings.kafka.cluster()
    feed(cluster, notes(range(12)))
    first = start_worker()
    first.wait_until_ready()
    wait_until_idle(settings, 12)
    before = {example.id: example for example in snapshot(cluster)}
    feed(cluster, notes(range(12)))
    wait_until_idle(settings, 24)
    assert first.terminate() == 0, first.describe()
    # A new worker, without memory of the ids, processes them again with the same results.
    feed(cluster, notes(range(12)))
    start_worker().wait_until_ready()
    wait_until_idle(settings, 36)
    assert {example.id: example for example in snapshot(cluster)} == before
    assert account_of(settings).duplicates == 0


def test_sigterm_drains_and_commits(settings, start_worker):
    feed(settings.kafka.cluster(), notes(range(40)))
    worker = start_worker()
    worker.wait_until_ready()
    wait_for_flow(settings, lambda flow: flow.messages["candidates"] > 3)
    assert worker.terminate() == 0, worker.describe()
    with FlowReader(settings.kafka.cluster()) as reader:
        flow = reader.read()
    # What was in flight was finished and committed: no output belongs to a record after the
    # committed offset.
    backward = next(stage for stage in flow.stages if stage.stage == "backward")
    refused = flow.messages["rejected"] + flow.messages["dead-letters"]
    assert flow.messages["candidates"] <= backward.done <= flow.messages["candidates"] + refused


def test_a_second_sigterm_ends_the_worker_at_once_and_loses_nothing(settings, start_worker):
    feed(settings.kafka.cluster(), notes(range(60)))
    worker = start_worker()
    worker.wait_until_ready()
    wait_for_flow(settings, lambda flow: flow.messages["candidates"] > 3)

    def ended() -> bool:
        os.kill(worker.pid, signal.SIGTERM)
        return psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE

    wait_until(ended, 180)
    assert worker.terminate() == 130
    start_worker().wait_until_ready()
    wait_until_idle(settings, 60)
    assert account_of(settings).complete


def test_a_stopped_worker_that_wakes_up_after_its_session_loses_nothing(settings, start_worker):
    count = 30
    feed(settings.kafka.cluster(), notes(range(count)))
    zombie = start_worker()
    zombie.wait_until_ready()
    wait_for_flow(settings, lambda flow: flow.messages["candidates"] > 2)
    os.kill(zombie.pid, signal.SIGSTOP)
    start_worker().wait_until_ready()
    # After the session timeout it is removed from the groups, and its partitions have moved.
    wait_until(lambda: members(settings) == [1] * len(STAGES))
    os.kill(zombie.pid, signal.SIGCONT)
    wait_until_idle(settings, count)
    assert account_of(settings).complete


@pytest.mark.kafka
def test_kill_9_of_the_broker_and_a_restart_on_the_same_log(tmp_path):
    directory = tmp_path / "kafka"
    broker = EmbeddedBroker(directory)
    broker.start()
    from streams.kafka.admin.creation import create_topics
    from streams.settings import load

    settings = load().with_broker(broker.address)
    create_topics(settings.kafka.cluster())
    feed(settings.kafka.cluster(), notes(range(5)))
    kill_broker(broker)
    with EmbeddedBroker(directory) as again:
        settings = load().with_broker(again.address)
        with FlowReader(settings.kafka.cluster()) as reader:
            assert reader.read().messages["documents"] == 5
