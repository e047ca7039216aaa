"""Documents by HTTP against a real broker: acknowledged ones are there, whatever is killed."""

import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DOCUMENTS
from streams.settings import Settings, load
from tests.integration.conftest import kill_broker, passage, wait_until_idle
from tests.integration.running import started
from tests.integration.waiting import wait_until

NDJSON = "application/x-ndjson"


def post(address: str, body: bytes, content_type: str = NDJSON) -> tuple[int, dict[str, Any]]:
    """The status and the answer. Raises OSError where there is no connection."""
    request = urllib.request.Request(
        f"{address}/documents", body, headers={"content-type": content_type}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=180) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error) | {"retry": error.headers["Retry-After"]}


def batch(first: int, count: int) -> bytes:
    rows = ({"text": passage(n), "source": f"notes/{n}"} for n in range(first, first + count))
    return b"\n".join(json.dumps(row).encode() for row in rows)


def keys(settings: Settings) -> list[str]:
    """The ids on ``documents``."""
    received = replay(settings.kafka.cluster(), DOCUMENTS)
    return [one.key.decode() for one in received if one.key]


def intake(settings: Settings, *arguments: str) -> tuple[str, ...]:
    address = settings.kafka.bootstrap_servers
    return "intake", "--broker", address, "--listen", "0", *arguments


def test_documents_by_http_reach_the_segmenter(settings, start_worker, tmp_path):
    with started(tmp_path, *intake(settings)) as running:
        address = running.event("ready")["address"]
        assert address.startswith("http://127.0.0.1:")
        status, answer = post(address, batch(0, 3))
        assert (status, answer["accepted"]) == (202, 3)
        status, one = post(address, passage(3).encode(), "text/plain")
        assert status == 202
        assert sorted(keys(settings)) == sorted(answer["ids"] + one["ids"])
        start_worker().wait_until_ready()
        assert wait_until_idle(settings, 4).messages["segments"] >= 4
        assert running.terminate() == 0
        assert running.errors == ""


def test_429_until_the_segmenter_has_caught_up(settings, start_worker, tmp_path):
    with started(tmp_path, *intake(settings, "-s", "intake.max_lag=5")) as running:
        address = running.event("ready")["address"]
        assert post(address, batch(0, 6))[0] == 202
        status, answer = post(address, batch(6, 1))
        assert status == 429
        assert int(answer["retry"]) >= 1
        start_worker().wait_until_ready()
        wait_until(lambda: post(address, batch(6, 1))[0] == 202)
    assert len(set(keys(settings))) == 7


def test_kill_9_of_the_intake_loses_nothing_that_was_acknowledged(settings, tmp_path):
    acknowledged: list[str] = []

    def send(address: str) -> None:
        number = 0
        try:
            while True:
                status, answer = post(address, batch(number, 20))
                assert status == 202
                acknowledged.extend(answer["ids"])
                number += 20
        except OSError:
            return

    with started(tmp_path, *intake(settings)) as running:
        address = running.event("ready")["address"]
        sender = threading.Thread(target=send, args=[address])
        sender.start()
        wait_until(lambda: len(acknowledged) >= 60)
        running.kill()
        sender.join()
    assert set(acknowledged) <= set(keys(settings))


@pytest.mark.kafka
def test_while_the_broker_is_away_nothing_is_accepted(tmp_path):
    broker = EmbeddedBroker(tmp_path / "kafka")
    broker.start()
    settings = load(None, {}).with_broker(broker.address)
    create_topics(settings.kafka.cluster())
    with started(tmp_path, *intake(settings, "-s", "intake.timeout_seconds=3")) as running:
        address = running.event("ready")["address"]
        assert post(address, batch(0, 5))[0] == 202
        kill_broker(broker)
        status, answer = post(address, batch(5, 5))
        assert status == 503
        assert int(answer["retry"]) >= 1
        _, port = broker.address.split(":")
        with EmbeddedBroker(tmp_path / "kafka", port=int(port)):
            wait_until(lambda: post(address, batch(5, 5))[0] == 202)
            assert len(set(keys(settings))) == 10
            assert _ready(address)


def _ready(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/ready", timeout=180) as answer:
        return answer.status == 200


def test_an_address_that_others_reach_needs_a_token(settings, tmp_path):
    with started(tmp_path, *intake(settings, "--listen", "0.0.0.0:0")) as running:
        assert running.process.wait(180) == 1
        assert "set intake.token" in running.errors


def test_a_taken_port_is_named(settings, tmp_path):
    with started(tmp_path, *intake(settings)) as first:
        address = first.event("ready")["address"].removeprefix("http://")
        (tmp_path / "second").mkdir()
        with started(tmp_path / "second", *intake(settings, "--listen", address)) as second:
            assert second.process.wait(180) == 1
            assert f"intake.listen {address} cannot be used" in second.errors
