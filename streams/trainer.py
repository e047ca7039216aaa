"""The trainer process: follows ``curated`` into the dataset, trains when due, announces the release."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from agents.trainer import Trained, Trainer, TrainingPolicy
from models.release import read_manifest
from models.seeds import read_seeds
from schemas.errors import BackstreamError, BrokerError, TrainingError
from schemas.records import Release, ReleaseStatus
from streams.dataset import Dataset
from streams.dead_letters import Received
from streams.releases import announce, in_service, read_releases
from streams.settings import Settings
from streams.topics import CURATED

log = logging.getLogger(__name__)
_POLL_MS = 500
_RETRY_SECONDS = 60.0


class TrainerService:
    """Runs until stopped. The dataset file and the releases directory are its own."""

    def __init__(self, settings: Settings, base: Path, on_event: Callable[[Mapping[str, Any]], None]) -> None:
        self._settings = settings
        self._base = base
        self._on_event = on_event
        self._stop = threading.Event()
        training = settings.training
        self._policy = TrainingPolicy(training.min_examples, training.max_seconds)
        self._trainer = Trainer(
            settings.releases_dir, threads=training.threads, max_tokens=training.max_tokens, on_event=on_event
        )

    def stop(self) -> None:
        """End soon; a run in progress leaves its checkpoint. Safe in a signal handler."""
        self._stop.set()
        self._trainer.stop()

    def run(self, *, once: bool = False) -> None:
        """Follow and train. ``once``: take in what the topic holds, train on it if any of it is new, and return.

        Raises BrokerError where Kafka is lost for good, and with ``once`` TrainingError where the run failed.
        """
        client = self._settings.kafka.client()
        started = time.time()
        try:
            consumer = KafkaConsumer(**client, enable_auto_commit=False, isolation_level="read_committed")
        except KafkaError as error:
            raise BrokerError(f"no Kafka at {client['bootstrap_servers']}: {error}") from error
        try:
            with Dataset(self._settings.state_dir / "dataset.sqlite") as dataset:
                self._assign(consumer, dataset)
                self._announce(dataset)
                if once:
                    self._run_once(consumer, dataset)
                    return
                failed_at = 0.0
                while not self._stop.is_set():
                    self._take_in(consumer, dataset)
                    waited = time.time() - (dataset.last_training() or started)
                    if time.time() - failed_at > _RETRY_SECONDS and self._policy.due(dataset.arrivals_since_training(), waited):
                        failed_at = 0.0 if self._try_to_train(dataset) else time.time()
        except KafkaError as error:
            raise BrokerError(f"{CURATED.name} cannot be read: {error}") from error
        finally:
            consumer.close()

    def _assign(self, consumer: KafkaConsumer, dataset: Dataset) -> None:
        """Go on where the dataset stops. Its own offsets count, not a group's: they were stored with the examples."""
        offsets = dataset.offsets()
        places = [TopicPartition(CURATED.name, partition) for partition in consumer.partitions_for_topic(CURATED.name) or ()]
        consumer.assign(places)
        beginnings = consumer.beginning_offsets(places)
        for place in places:
            consumer.seek(place, max(offsets.get(place.partition, 0), beginnings[place]))

    def _take_in(self, consumer: KafkaConsumer, dataset: Dataset) -> None:
        polled = consumer.poll(timeout_ms=_POLL_MS)
        messages = [
            Received(r.topic, r.partition, r.offset, r.key, r.value, r.headers) for records in polled.values() for r in records
        ]
        if messages:
            dataset.apply(messages)

    def _run_once(self, consumer: KafkaConsumer, dataset: Dataset) -> None:
        places = consumer.assignment()
        ends = consumer.end_offsets(list(places))
        while not self._stop.is_set() and any(consumer.position(place) < ends[place] for place in places):
            self._take_in(consumer, dataset)
        if dataset.arrivals_since_training() and not self._stop.is_set():
            self._train(dataset)

    def _try_to_train(self, dataset: Dataset) -> bool:
        """One run. False where it failed: the stream goes on, and another try comes later."""
        try:
            self._train(dataset)
        except TrainingError as error:
            if not self._stop.is_set():
                log.error("%s", error)
                self._on_event({"event": "failed", "error": str(error)})
            return False
        return True

    def _train(self, dataset: Dataset) -> None:
        arrival = dataset.newest_arrival()
        self._on_event({"event": "training", "examples": len(dataset)})
        trained = self._trainer.train(self._base, self._parent(), [*read_seeds(), *dataset.examples()])
        dataset.record_run(_announcement(trained), arrival, time.time())
        self._announce(dataset)
        self._on_event(
            {"event": "announced", "release": trained.id, "status": str(_status(trained)), "reason": trained.verdict.reason}
        )

    def _parent(self) -> Path:
        base = read_manifest(self._base).id
        serving = in_service(read_releases(self._settings.kafka.client()), base)
        if serving is None:
            return self._base
        directory = Path(serving.location)
        try:
            read_manifest(directory)
        except BackstreamError as error:
            log.warning(
                "release %s in service is not at %s (%s): its parent figures are the base's", serving.id, directory, error
            )
            return self._base
        return directory

    def _announce(self, dataset: Dataset) -> None:
        for release in dataset.unannounced():
            announce(self._settings.kafka.client(), release)
            dataset.mark_announced(release.id)


def _status(trained: Trained) -> ReleaseStatus:
    return ReleaseStatus.IN_SERVICE if trained.verdict.promote else ReleaseStatus.KEPT


def _announcement(trained: Trained) -> Release:
    manifest = read_manifest(trained.directory)
    return Release(
        id=trained.id,
        parent=manifest.parent,
        base=manifest.base,
        status=_status(trained),
        location=str(trained.directory.absolute()),
        created_at=manifest.created_at,
        metrics=dict(trained.metrics),
        parent_metrics=dict(trained.parent_metrics),
        examples=manifest.counts.get("examples", 0),
        seeds=manifest.counts.get("seeds", 0),
    )
