"""The trainer process: copies ``curated`` into the curated set, trains when due, and announces."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from kafka import TopicPartition

from models.judging.criterion import Criterion
from models.judging.evidence import EvidenceKind
from models.private_files import PRIVATE_MODE, private_directory
from models.prompts.layout import Prompter
from models.releases.golden import require_templates
from models.releases.release import read_manifest
from models.releases.signing import SigningKey
from models.seeds import read_seeds
from models.training.launch import TrainingLauncher, TrainingResult
from models.training.mixing import Mix
from models.training.policy import TrainingPolicy
from schemas.errors import BrokerError, FencedError, ModelError, SettingsError, TrainingError
from schemas.release import Release, ReleaseStatus
from streams.data.ratings import read_ratings
from streams.kafka.admin.partitions import partitions_of
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import reading
from streams.kafka.reading.consumers import Consumer
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import CANDIDATES, CURATED, RATINGS, RELEASES
from streams.releases.announcements import Announcer, in_service_before, read_releases
from streams.releases.rerating import rerating
from streams.releases.store import release_store
from streams.settings import Settings
from streams.stages.metrics import EXAMPLES, TRAINING_RUNS, UNREADABLE, Metrics
from streams.trainer.curated_set import CuratedSet

log = logging.getLogger(__name__)
TRAINER_TOPICS = (CURATED, RATINGS, RELEASES, CANDIDATES)
"""What the trainer reads or writes."""
_POLL_MS = 500
_RETRY_SECONDS = 60.0
_DUE_CHECK_SECONDS = 5.0
_RECONNECT_SECONDS = 2.0


class TrainerService:
    """Trains releases until stopped.

    It owns the file of the curated set and the releases directory.
    """

    def __init__(
        self,
        settings: Settings,
        base: Path,
        on_event: Callable[[Mapping[str, Any]], None],
        metrics: Metrics | None = None,
    ) -> None:
        """Raises SettingsError for a signing key or a trusted key that cannot be used."""
        self._settings = settings
        self._store = release_store(settings)
        key = settings.releases.signing_key
        self._key = SigningKey.load(key) if key is not None else None
        if (
            self._key is not None
            and self._store.trusted
            and self._key.public not in self._store.trusted
        ):
            raise SettingsError(
                f"releases.trusted_keys lacks {self._key.public}, the public key of "
                "releases.signing_key: workers would refuse what this trainer signs"
            )
        self._usable: dict[int, bool] = {}
        """Term of an announcement to whether its release can be used."""
        self._base = base
        self._base_id = read_manifest(base).id
        self._on_event = on_event
        self._metrics = metrics = metrics or Metrics()
        self._reader = RecordReader(lambda topic: metrics.counter(UNREADABLE, topic=topic).inc())
        self._following = False
        self._refusal: str | None = None
        """Why it does not follow ``curated`` any more. None where it does, or never did."""
        self._stop = threading.Event()
        training = settings.training
        self._policy = TrainingPolicy(training.min_examples, training.max_seconds)
        self._launcher = TrainingLauncher(
            settings.releases_dir,
            threads=training.threads,
            max_tokens=training.max_tokens,
            on_event=on_event,
            lora_rank=training.lora_rank,
            processes=training.processes,
            mix=Mix(
                tuple(sorted(training.mix.items())),
                training.least_confidence,
                training.confidence == "weigh",
            ),
            criterion=Criterion(
                EvidenceKind(settings.scorer.evidence),
                settings.curation.threshold,
                settings.curation.target_precision,
            ),
        )

    @property
    def not_ready(self) -> str | None:
        """Why the trainer does not follow ``curated``, or None. May be read by any thread."""
        if self._stop.is_set():
            return "stopping"
        return None if self._following else self._refusal or "not following curated"

    def stop(self) -> None:
        """Stop soon; a training run in progress leaves a checkpoint. Safe in a signal handler."""
        self._stop.set()
        self._launcher.stop()

    def abort(self) -> None:
        """Kill a training run in progress; it continues from its last checkpoint. Thread-safe."""
        self._launcher.kill()

    def run(self, *, once: bool = False, on_following: Callable[[], None] = lambda: None) -> None:
        """Follow the topic and train, until stopped. ``on_following`` is called before it waits.

        Once it has followed, it does not end where Kafka cannot be read or written: it connects
        again until it can be, and continues.

        ``once`` reads what the topic holds now, trains if any of it is new, and returns. Raises
        BrokerError where Kafka cannot be read or written at the start, or with ``once``,
        FencedError where a newer trainer of the same group has started, TrainingError where another
        one uses this state directory, and, with ``once``, where the training run fails.
        """
        cluster = self._settings.kafka.cluster()
        with ExitStack() as stack:
            stack.enter_context(_exclusive_use(self._settings.state_dir))
            announcer = stack.enter_context(Announcer(cluster, f"{cluster.group}.trainer"))
            curated = stack.enter_context(CuratedSet(self._settings.dataset_file, self._reader))
            if once:
                with self._follow(cluster, curated, announcer) as consumer:
                    self._run_once(consumer, curated, announcer)
                return
            started, reached = time.time(), False
            while not self._stop.is_set():
                try:
                    with self._follow(cluster, curated, announcer) as consumer:
                        if not reached:
                            on_following()
                        reached = True
                        self._train_when_due(consumer, curated, announcer, started)
                except BrokerError as error:
                    if isinstance(error, FencedError) or not reached:
                        raise
                    self._wait_for_broker(error)

    def _wait_for_broker(self, error: BrokerError) -> None:
        """Wait before another attempt. Logs each change of the reason once."""
        reason = str(error)
        if reason != self._refusal and not self._stop.is_set():
            log.warning("%s; connecting again", reason)
        self._refusal = reason
        self._stop.wait(_RECONNECT_SECONDS)

    @contextmanager
    def _follow(
        self, cluster: Cluster, curated: CuratedSet, announcer: Announcer
    ) -> Iterator[Consumer]:
        """A consumer of ``curated`` that continues where the curated set ends.

        Raises BrokerError, also for an error of the consumer in the block.
        """
        topic = cluster.topic(CURATED)
        consumer = connect(
            Consumer,
            cluster,
            enable_auto_commit=False,
            isolation_level=cluster.isolation,
            auto_offset_reset="earliest",  # where the topic ends before the stored offset
        )
        with consumer, kafka_errors(f"{topic} cannot be read", cluster, reading(topic)):
            self._assign(consumer, cluster, curated)
            self._announce(curated, announcer)
            self._following, self._refusal = True, None
            try:
                yield consumer
            finally:
                self._following = False

    def _train_when_due(
        self, consumer: Consumer, curated: CuratedSet, announcer: Announcer, started: float
    ) -> None:
        """Take in examples and train, until stopped. ``started`` is when this process began to."""
        check_at = 0.0
        while not self._stop.is_set():
            self._take_in(consumer, curated)
            if time.time() >= check_at and curated.arrivals_since_training():
                waited = time.time() - (curated.last_training() or started)
                check_at = time.time() + self._train_if_due(curated, announcer, waited)

    def _assign(self, consumer: Consumer, cluster: Cluster, curated: CuratedSet) -> None:
        """Continue at the offsets of the curated set: they are stored with its examples."""
        offsets = curated.offsets()
        places = [
            TopicPartition(cluster.topic(CURATED), partition)
            for partition in partitions_of(consumer, cluster, CURATED)
        ]
        consumer.assign(places)
        beginnings = consumer.beginning_offsets(places)
        for place in places:
            consumer.seek(place, max(offsets.get(place.partition, 0), beginnings[place]))

    def _take_in(self, consumer: Consumer, curated: CuratedSet) -> None:
        polled = consumer.poll(timeout_ms=_POLL_MS)
        messages = [received for records in polled.values() for received in records]
        if messages:
            curated.apply(messages)
            self._show_count(curated)

    def _show_count(self, curated: CuratedSet) -> None:
        for origin, count in zip(("seed", "augmented"), curated.count(), strict=True):
            self._metrics.gauge(EXAMPLES, origin=origin).set(count)

    def _run_once(self, consumer: Consumer, curated: CuratedSet, announcer: Announcer) -> None:
        places = consumer.assignment()
        ends = consumer.end_offsets(list(places))
        while not self._stop.is_set() and any(
            consumer.position(place) < ends[place] for place in places
        ):
            self._take_in(consumer, curated)
        if curated.arrivals_since_training() and not self._stop.is_set():
            self._train(curated, announcer, self._serving())

    def _train_if_due(self, curated: CuratedSet, announcer: Announcer, waited: float) -> float:
        """Train if it is due. Returns the seconds after which to call this again.

        It is not due before the deployed release has rated again what was there: until then the
        set holds ratings of an earlier release. A training run that fails is tried again later.
        """
        serving = self._serving()
        if not self._policy.due(
            curated.arrivals_since_training(self._term(serving)), waited
        ) or not self._is_rerated(serving):
            return _DUE_CHECK_SECONDS
        try:
            self._train(curated, announcer, serving)
        except TrainingError as error:
            if not self._stop.is_set():
                log.error("%s", error)
                self._metrics.counter(TRAINING_RUNS, outcome="failed").inc()
                self._on_event({"event": "failed", "error": str(error)})
            return _RETRY_SECONDS
        return 0.0

    def _train(self, curated: CuratedSet, announcer: Announcer, serving: Release | None) -> None:
        arrival = curated.newest_arrival()
        examples = list(curated.examples(self._term(serving)))
        self._on_event({"event": "training", "examples": len(examples)})
        ratings = read_ratings(self._settings.kafka.cluster(), self._reader)
        trained = self._launcher.train(
            self._base, self._parent(serving), [*read_seeds(), *examples], ratings
        )
        curated.record_run(_announcement(trained), arrival, time.time())
        self._metrics.counter(TRAINING_RUNS, outcome=str(_status(trained))).inc()
        self._announce(curated, announcer)

    def _serving(self) -> Release | None:
        """The last release that was deployed and can be used, as workers choose it."""
        releases = read_releases(self._settings.kafka.cluster(), self._reader)
        announced = in_service_before(releases, self._base_id)
        return next((release for release in announced if self._is_usable(release)), None)

    def _is_usable(self, release: Release) -> bool:
        if release.id == self._base_id:
            return True
        if release.term not in self._usable:
            try:
                verified = self._store.verify(release)
                require_templates(verified.manifest, Prompter.load(verified.directory))
            except ModelError as error:
                log.warning("release %s is deployed, but is passed over: %s", release.id, error)
                self._usable[release.term] = False
            else:
                self._usable[release.term] = True
        return self._usable[release.term]

    def _term(self, serving: Release | None) -> int:
        """The deployment term from which ratings count; 0 for all."""
        return serving.term if serving and self._settings.rates_again else 0

    def _is_rerated(self, serving: Release | None) -> bool:
        if serving is None or not self._settings.rates_again:
            return True
        seconds, kafka = self._settings.rerating.after_seconds, self._settings.kafka
        if time.time() < serving.announced_at + seconds:
            return False
        return rerating(kafka.cluster(), serving, seconds).finished

    def _parent(self, serving: Release | None) -> Path:
        if serving is None or serving.id == self._base_id:
            return self._base
        directory = self._store.path(serving.id)
        try:
            read_manifest(directory)
        except ModelError as error:
            log.warning(
                "the deployed release %s is not at %s (%s): "
                "the new release is compared with the base instead",
                serving.id,
                directory,
                error,
            )
            return self._base
        return directory

    def _announce(self, curated: CuratedSet, announcer: Announcer) -> None:
        for release in curated.unannounced():
            if self._key is not None:
                try:
                    self._store.sign(release.id, self._key)
                except ModelError as error:
                    # Not announced: workers that want a signature would refuse it.
                    log.error("release %s cannot be signed: %s", release.id, error)
                    continue
            announcer.announce(release)
            curated.mark_announced(release.id)
            self._on_event(
                {
                    "event": "announced",
                    "release": release.id,
                    "status": str(release.status),
                    "reason": release.reason,
                }
            )


@contextmanager
def _exclusive_use(directory: Path) -> Iterator[None]:
    """Lock a state directory for this trainer; the lock ends with the process.

    Raises TrainingError where another trainer holds it.
    """
    private_directory(directory)
    lock = FileLock(directory / "trainer.lock", blocking=False, mode=PRIVATE_MODE)
    try:
        lock.acquire()
    except Timeout as error:
        raise TrainingError(
            f"another trainer uses {directory}: stop it, or give this one another --state-dir"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _status(trained: TrainingResult) -> ReleaseStatus:
    return ReleaseStatus.IN_SERVICE if trained.verdict.promote else ReleaseStatus.KEPT


def _announcement(trained: TrainingResult) -> Release:
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
        intervals=dict(trained.intervals),
        reason=trained.verdict.reason,
        examples=manifest.counts.get("examples", 0),
        seeds=manifest.counts.get("seeds", 0),
    )
