"""The ``releases`` topic: which models exist, and which is deployed.

The topic has one partition and is compacted, so announcements keep their order. Of the releases
that are announced as deployed, the last one announced is used. Promoting announces a release
again. Rolling back announces the deployed release as kept and the one before it again. The base
is announced too where it replaces a release. The offset of an announcement therefore tells which of
two releases served later, whatever was compacted meanwhile (``Release.term``).

Announcements are transactional only for the fencing, and are read whether committed or not
(``ISOLATION``). A single broker that is killed right after a commit may never write the
transaction's marker (seen with Kafka 4.3.1), and readers of committed messages would then wait
without end. An announcement without its marker was made, or its writer will make it again.

When a release was announced is the time of the message, which the broker sets on a topic that
Backstream created. An announcement from the future is passed over, so that nothing waits for it.
"""

import time
from collections.abc import Iterable

from kafka import KafkaProducer
from kafka.errors import (
    InvalidProducerEpochError,
    KafkaError,
    ProducerFencedError,
)

from schemas.errors import BrokerError, FencedError, SettingsError
from schemas.release import Release, ReleaseStatus
from schemas.wire import encode, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import denial, transactions, writing
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import RELEASES
from streams.kafka.writing.bounded_producer import end

ISOLATION = "read_uncommitted"
_AHEAD_SECONDS = 3600.0
"""How far the clock that stamped an announcement may be ahead. It is also the broker's default."""
_SECONDS = 60
_DELIVERY_MS = 45_000
"""How long an announcement is sent again. Closing waits for what is still to be sent."""
_TIMEOUT_MS = 15_000
"""Timeout of a transaction whose producer was killed."""
_FENCED = (ProducerFencedError, InvalidProducerEpochError)


def read_releases(cluster: Cluster, reader: RecordReader | None = None) -> list[Release]:
    """Every release, in the order of their last announcements. Raises BrokerError."""
    reader = reader or RecordReader()
    found: dict[str, Release] = {}
    for received in replay(cluster, RELEASES, ISOLATION):
        fold(found, received, reader, time.time())
    return list(found.values())


def fold(found: dict[str, Release], received: Received, reader: RecordReader, now: float) -> None:
    """Add one message of the topic to the releases known so far, by id."""
    entry = reader.read_entry(received, Release)
    if entry is None:
        return
    release = entry.record
    if release is not None:
        # A message of the oldest format has no time.
        at = received.timestamp_ms
        announced_at = at / 1000 if at is not None and at >= 0 else release.announced_at
        if announced_at > now + _AHEAD_SECONDS:
            reason = "it was announced in the future: is a clock wrong?"
            reader.pass_over(received, RELEASES.name, reason)
            return
        update = {"term": received.offset + 1, "announced_at": announced_at}
        release = release.model_copy(update=update)
    found.pop(entry.id, None)
    if release is not None:
        found[entry.id] = release


def in_service(releases: Iterable[Release], base: str) -> Release | None:
    """The release that workers on model ``base`` are to serve.

    None before the first announcement for it: then the base itself serves.
    """
    return next(iter(in_service_before(releases, base)), None)


def in_service_before(releases: Iterable[Release], base: str) -> list[Release]:
    """The releases that were deployed for ``base``, and not taken back: the last one first.

    Where one cannot be used, the next one serves.
    """
    serving = [r for r in releases if r.base == base and r.status is ReleaseStatus.IN_SERVICE]
    return serving[::-1]


def promote(cluster: Cluster, id: str) -> Release:
    """Deploy a release.

    Raises SettingsError where there is no release of this id, BrokerError.
    """
    release = find(read_releases(cluster), id).model_copy(
        update={"status": ReleaseStatus.IN_SERVICE}
    )
    announce(cluster, release)
    return release


def roll_back(cluster: Cluster, base: str) -> tuple[Release, Release]:
    """Deploy the release before the deployed one, or the base, again.

    Returns the release that was deployed and the one that is now. Raises SettingsError where no
    release but the base is deployed, BrokerError.
    """
    releases = read_releases(cluster)
    serving = in_service(releases, base)
    if serving is None or serving.id == base:
        deployed = "no release is deployed" if serving is None else f"{base} is deployed"
        raise SettingsError(f"{deployed}: there is nothing to roll back")
    before = in_service(
        [release for release in releases if release.id != serving.id], base
    ) or _base(base)
    # In this order: if only the first is written, the right release serves.
    announce(cluster, before, serving.model_copy(update={"status": ReleaseStatus.KEPT}))
    return serving, before


def find(releases: Iterable[Release], id: str) -> Release:
    """The release of an id. Raises SettingsError where there is none."""
    found = next((release for release in releases if release.id == id), None)
    if found is None:
        raise SettingsError(f"no release {id}; `backstream releases list` shows them")
    return found


def announce(cluster: Cluster, *releases: Release) -> None:
    """Write releases to the topic, in this order, and wait for the broker. Raises BrokerError."""
    with Announcer(cluster, "backstream.releases") as announcer:
        announcer.announce(*releases)


class Announcer:
    """A transactional producer (KIP-98) of announcements. Use as a context manager.

    When another one of the same name starts, the broker fences this one: it refuses its
    announcements from then on. After an announcement that failed otherwise, the next one connects
    anew, and thereby fences the other one. Raises BrokerError where Kafka does not answer.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._name = name
        self._cluster = cluster
        self._topic = cluster.topic(RELEASES)
        self._needed = (
            transactions(cluster.transactional_id(name)),
            writing(self._topic),
        )
        self._producer: KafkaProducer | None = None
        self._connected()

    def __enter__(self) -> "Announcer":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def announce(self, *releases: Release) -> None:
        """Write releases, in this order.

        Raises FencedError where another of the same name has started, and BrokerError where it is
        not known whether the releases were written. Announcing one twice does no harm.
        """
        names = ", ".join(release.id for release in releases)
        producer, began = self._connected(), time.monotonic()
        try:
            producer.begin_transaction()
            for release in releases:
                announced = release.model_copy(update={"announced_at": time.time(), "term": 0})
                producer.send(
                    self._topic,
                    encode(announced),
                    announced.id.encode(),
                    headers=headers_for(Release),
                ).get(_SECONDS)
            producer.commit_transaction()
        except KafkaError as error:
            self._close()
            # A broker that was away ends the transaction itself, and answers as to a fenced one.
            expired = time.monotonic() - began > _TIMEOUT_MS / 1000
            if isinstance(error, _FENCED) and not expired:
                raise FencedError(
                    f"another {self._name} has started and fenced this one, which must stop "
                    f"({names})"
                ) from error
            denied = denial(error, self._cluster, self._needed)
            raise BrokerError(
                f"release {names} could not be announced: {denied or error}"
            ) from error

    def _connected(self) -> KafkaProducer:
        """The producer, made anew after one has failed. Raises BrokerError."""
        if self._producer is None:
            self._producer = connect(
                KafkaProducer,
                self._cluster,
                acks="all",
                transactional_id=self._cluster.transactional_id(self._name),
                transaction_timeout_ms=_TIMEOUT_MS,
                delivery_timeout_ms=_DELIVERY_MS,
            )
            try:
                with kafka_errors("releases cannot be announced", self._cluster, *self._needed):
                    self._producer.init_transactions()
            except BrokerError:
                self._close()
                raise
        return self._producer

    def _close(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            end(producer)


def _base(id: str) -> Release:
    """The announcement of a base. Each worker has its own directory of it."""
    return Release(
        id=id,
        parent=None,
        base=id,
        status=ReleaseStatus.IN_SERVICE,
        location="",
        created_at=time.time(),
    )
