"""A worker and announcements that somebody else wrote to ``releases``.

The worker trusts one key. Whatever is announced, it stays up, says what it refuses and why, and
serves the release before. A restart changes nothing of that.
"""

import os
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaProducer

from bench.swap import copy_release
from models.atomic_file import write_atomically
from models.releases.release import MANIFEST, read_manifest
from models.releases.signing import SigningKey
from models.releases.store import ReleaseStore
from schemas.release import Release
from schemas.wire import encode, headers_for
from streams.kafka.topics import RELEASES
from streams.releases.announcements import announce, read_releases
from streams.releases.rerating import rerating
from streams.settings import ReleaseSettings, Settings
from streams.trainer.service import TrainerService
from tests.integration.conftest import WorkerProcess
from tests.integration.waiting import wait_until

_YEAR_9999 = 253_000_000_000.0


def _next(worker: WorkerProcess, kind: str) -> dict[str, object]:
    while True:
        event = worker.wait_until_ready(90)
        if event["event"] == kind:
            return event


class Forger:
    """Makes releases, signed or not, and announces them as somebody with a Kafka client can."""

    def __init__(self, settings: Settings, house: Path, outside: Path, key: SigningKey) -> None:
        self._house, self._outside, self._key = house, outside, key
        self._releases = settings.releases_dir
        self._cluster = settings.kafka.cluster()
        self._store = ReleaseStore(self._releases)

    def good(self, id: str) -> Release:
        made = copy_release(self._house, self._releases / id, id)
        self._store.sign(id, self._key)
        return made

    def unsigned(self, id: str) -> Release:
        return copy_release(self._house, self._releases / id, id)

    def signed_by_another(self, id: str) -> Release:
        made = self.unsigned(id)
        self._store.sign(id, SigningKey.generate(self._outside / "another.pem"))
        return made

    def signed_for_another_manifest(self, id: str) -> Release:
        made = self.good(id)
        manifest = read_manifest(self._releases / id).model_copy(update={"calibration": (0.0, 5.0)})
        write_atomically(self._releases / id / MANIFEST, manifest.model_dump_json())
        return made

    def outside(self, id: str) -> Release:
        return copy_release(self._house, self._outside / id, id)

    def elsewhere(self, id: str) -> Release:
        return self.good(id).model_copy(update={"location": "/etc"})

    def a_link(self, id: str) -> Release:
        made = self.good(id)
        shutil.move(self._releases / id, self._outside / id)
        (self._releases / id).symlink_to(self._outside / id)
        return made

    def a_linked_file(self, id: str) -> Release:
        made, file = self.good(id), self._releases / id / "config.json"
        shutil.move(file, self._outside / "config.json")
        file.symlink_to(self._outside / "config.json")
        return made

    def a_pipe(self, id: str) -> Release:
        made, file = self.good(id), self._releases / id / "decoder.onnx"
        file.unlink()
        os.mkfifo(file)
        return made

    def another_id(self, id: str) -> Release:
        made = self.good(f"{id}-original")
        (self._releases / made.id).rename(self._releases / id)
        return made.model_copy(update={"id": id, "location": id})

    def another_base(self, id: str) -> Release:
        manifest = self.good(id)
        changed = read_manifest(self._releases / id).model_copy(update={"base": "other"})
        write_atomically(self._releases / id / MANIFEST, changed.model_dump_json())
        self._store.sign(id, self._key)
        return manifest

    def unlisted(self, id: str) -> Release:
        made = self.good(id)
        (self._releases / id / "chat_template.jinja").write_text("{{ 'x' * 10 ** 9 }}")
        return made

    def changed(self, id: str) -> Release:
        made = self.good(id)
        (self._releases / id / "precision.json").write_text("{}")
        return made

    def send(self, value: bytes, key: bytes) -> None:
        with KafkaProducer(**self._cluster.client) as producer:
            topic = self._cluster.topic(RELEASES)
            producer.send(topic, value, key, headers=headers_for(Release)).get(30)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.generate(tmp_path / "key.pem")


@pytest.fixture
def trusting(settings: Settings, key: SigningKey) -> Settings:
    return settings.model_copy(
        update={
            "releases": ReleaseSettings(trusted_keys=(key.public,)),
            "rerating": settings.rerating.model_copy(update={"after_seconds": 1.0}),
            "metrics_port": 0,
        }
    )


def test_forged_announcements_are_refused_by_name_and_the_release_before_serves(
    trusting: Settings, house: Path, tmp_path: Path, key: SigningKey
) -> None:
    cluster = trusting.kafka.cluster()
    forger = Forger(trusting, house, tmp_path, key)
    kinds: dict[Callable[[str], Release], str] = {
        forger.unsigned: "it is not signed",
        forger.signed_by_another: "which releases.trusted_keys lacks",
        forger.signed_for_another_manifest: "not that of its manifest",
        forger.outside: "there is no directory",
        forger.elsewhere: "location '/etc'",
        forger.a_link: "is a link",
        forger.a_linked_file: "config.json is not a regular file",
        forger.a_pipe: "decoder.onnx is not a regular file",
        forger.another_id: "holds release",
        forger.another_base: "was trained from other",
        forger.unlisted: "'chat_template.jinja', which the manifest does not list",
        forger.changed: "precision.json was changed",
    }
    worker = WorkerProcess(trusting, house)
    try:
        port = _next(worker, "ready")["metrics_port"]
        announce(cluster, forger.good("r-good"))
        assert _next(worker, "serving")["release"] == "r-good"
        for make, reason in kinds.items():
            announce(cluster, make(f"r-{make.__name__.replace('_', '-')}"))
            assert reason in str(_next(worker, "failed")["error"]), make.__name__
        foreign = forger.good("r-9999").model_copy(update={"id": "../r-9999"})
        forger.send(encode(foreign), b"../r-9999")

        def counted() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=180) as page:
                return str(page.read().decode())

        unreadable = 'backstream_unreadable_messages_total{topic="releases"} 1.0'
        wait_until(lambda: unreadable in counted())
        assert f"backstream_refused_releases_total {len(kinds)}.0" in counted()

        # The trainer judges alike, so that it does not wait for what no worker serves.
        serving = TrainerService(trusting, house, print)._serving()
        assert serving is not None
        assert serving.id == "r-good"

        # After kill -9 and a restart it is the same.
        worker.kill()
        worker = WorkerProcess(trusting, house)
        refused = [str(_next(worker, "failed")["error"]) for _ in kinds]
        for reason, error in zip(kinds.values(), reversed(refused), strict=True):
            assert reason in error
        assert _next(worker, "ready")["release"] == "r-good"

        # A time in the announcement itself has no effect: the broker's counts.
        last = read_releases(cluster)[0].model_copy(
            update={"id": "r-9999", "location": "r-9999", "announced_at": _YEAR_9999}
        )
        forger.send(encode(last), b"r-9999")
        assert _next(worker, "serving")["release"] == "r-9999"
        announced = read_releases(cluster)[-1]
        assert announced.id == "r-9999"
        assert announced.announced_at < time.time() + 60
        wait_until(lambda: rerating(cluster, announced, 1.0).finished)

        # A forged one that is announced at the same moment does not hide a good one.
        announce(cluster, forger.good("r-second"), forger.unsigned("r-masking"))
        assert _next(worker, "serving")["release"] == "r-second"
        assert worker.terminate() == 0, worker.describe()
    finally:
        worker.kill()
