"""Reads the topics into a store, and the stream's offsets, on threads of its own."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAuthorizationFailedError, for_code

from schemas.errors import BackstreamError
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import Consumer
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import RELEASES
from streams.observe.lag import FlowReader, StageLag
from streams.page.store.folding import FOLLOWED, Folder
from streams.page.store.store import Store
from streams.releases.announcements import ISOLATION
from streams.stages.topology import STAGES, StageSpec

log = logging.getLogger(__name__)
_AT_ONCE = 2_000
_POLL_MS = 200
_RELEASES_POLL_MS = 20
_RETRY_SECONDS = 2.0
_LAG_SECONDS = 1.0
_FLOW_SECONDS = 2.0
_TOPICS_SECONDS = 10.0
"""Between two looks for topics and partitions that are new, and topics that were made anew."""
_STOP_SECONDS = 5.0

Missing = Callable[[Sequence[StageLag], Mapping[str, int]], Iterable[str]]
"""Why the messages of stages wait, by the number of each stage's workers."""


@dataclass(frozen=True, slots=True)
class _Topics:
    """The topics that exist."""

    ids: Mapping[str, str]
    """Name on the cluster to Kafka's id, which is another one where the topic was made anew."""
    places: tuple[TopicPartition, ...]


class Follower:
    """Use as a context manager: it reads until the block ends.

    Where Kafka cannot be read, it tries again without end; ``Store.reading`` says why. Where a
    topic was made anew, or its log was lost, the store is filled again from the beginning. What
    retention deleted after it was read stays.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        stages: Sequence[StageSpec] = STAGES,
        missing: Missing = lambda lags, workers: (),
    ) -> None:
        """``stages`` are those that run; ``streams.stages.topology.stages_of`` has them.

        ``missing`` says why messages wait, by the lags and the number of each stage's workers.
        """
        self._cluster = cluster
        self._store = store
        self._stages = stages
        self._missing = missing
        self._passed_over = 0
        self._folder = Folder(cluster, RecordReader(self._count))
        self._caught_up = False
        """Whether it has once read all that the topics held."""
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._try, args=(task,), name=f"page-{name}", daemon=True)
            for name, task in (("topics", self._follow), ("flow", self._measure))
        ]

    def __enter__(self) -> "Follower":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)  # it may be waiting for a broker

    def _count(self, topic: str) -> None:
        self._passed_over += 1

    def _try(self, task: Callable[[], None]) -> None:
        """Run a task again and again, whatever it raises."""
        while not self._stopped.is_set():
            try:
                task()
            except Exception as error:
                if self._stopped.is_set():
                    return
                if not isinstance(error, BackstreamError):
                    log.exception("the page's reader failed; it starts again")
                self._note(None, str(error) if isinstance(error, BackstreamError) else repr(error))
                self._stopped.wait(_RETRY_SECONDS)

    def _note(self, behind: int | None, error: str | None) -> None:
        self._store.note(behind=behind, unreadable=self._passed_over, error=error)

    def _follow(self) -> None:
        """Read until stopped, or until topics or partitions changed. Raises BrokerError."""
        topics = self._topics()
        with self._consumer(self._cluster.isolation) as main, self._consumer(ISOLATION) as other:
            releases = self._cluster.topic(RELEASES)
            consumers = {
                main: [place for place in topics.places if place.topic != releases],
                other: [place for place in topics.places if place.topic == releases],
            }
            for consumer, places in consumers.items():
                consumer.assign(places)
            self._resume(consumers, topics)
            reached = self._store.offsets()
            complete = len(topics.ids) == len(FOLLOWED)
            look_again = _TOPICS_SECONDS if complete else _RETRY_SECONDS
            lag_at, topics_at = 0.0, time.monotonic() + look_again
            while not self._stopped.is_set():
                if not topics.places:  # nothing has created them yet
                    self._stopped.wait(_RETRY_SECONDS)
                messages = [
                    *_poll(main, consumers[main], _POLL_MS),
                    *_poll(other, consumers[other], _RELEASES_POLL_MS),
                ]
                for message in messages:
                    place = (message.topic, message.partition)
                    if message.offset < reached.get(place, 0):
                        log.warning("%s starts again: the page is filled anew", message.topic)
                        self._begin(topics, anew=True)
                        return
                    reached[place] = message.offset + 1
                if messages:
                    self._store.apply(self._folder, messages)
                now, behind = time.monotonic(), None
                if now >= lag_at:
                    lag_at = now + _LAG_SECONDS
                    behind = sum(_behind(*each) for each in consumers.items())
                    self._caught_up |= not behind
                self._note(behind, None)
                if now >= topics_at:
                    topics_at = now + look_again
                    self._store.prune()
                    if self._topics() != topics:
                        return

    def _resume(
        self, consumers: Mapping[Consumer, Sequence[TopicPartition]], topics: _Topics
    ) -> None:
        """Go on where the store ends, or from the beginning where that is not on these topics."""
        known, offsets = self._store.topics(), self._store.offsets()
        followed = {self._cluster.topic(topic) for topic in FOLLOWED}
        ends = {
            place: end
            for consumer, places in consumers.items()
            for place, end in (consumer.end_offsets(list(places)) if places else {}).items()
        }
        anew = (
            not known.keys() <= followed
            or any(topics.ids.get(name, id) != id for name, id in known.items())
            or any(offset > ends.get(TopicPartition(*at), offset) for at, offset in offsets.items())
        )
        if anew:
            log.warning("the topics are not those that the page was filled from: it starts again")
            offsets = {}
        self._begin(topics, anew=anew)
        for consumer, places in consumers.items():
            beginnings = consumer.beginning_offsets(list(places)) if places else {}
            for place in places:
                consumer.seek(place, max(offsets.get(tuple(place), 0), beginnings[place]))

    def _begin(self, topics: _Topics, *, anew: bool) -> None:
        self._store.begin(topics.ids, anew=anew)
        if anew:
            self._caught_up = False

    @contextmanager
    def _consumer(self, isolation: str) -> Iterator[Consumer]:
        names = [self._cluster.topic(topic) for topic in FOLLOWED]
        consumer = connect(
            Consumer,
            self._cluster,
            enable_auto_commit=False,
            isolation_level=isolation,
            auto_offset_reset="earliest",
            max_poll_records=_AT_ONCE,
        )
        with (
            consumer,
            kafka_errors("the topics cannot be read", self._cluster, *map(reading, names)),
        ):
            yield consumer

    def _topics(self) -> _Topics:
        """The topics that exist. Raises BrokerError, also where one may not be seen."""
        names = [self._cluster.topic(topic) for topic in FOLLOWED]
        with (
            connect(KafkaAdminClient, self._cluster) as admin,
            kafka_errors("the topics cannot be seen", self._cluster, *map(reading, names)),
        ):
            described = admin.describe_topics(names)
            hidden = [
                topic["name"]
                for topic in described
                if for_code(topic["error_code"]) is TopicAuthorizationFailedError
            ]
            if hidden:
                raise TopicAuthorizationFailedError(hidden)
        there = [topic for topic in described if topic["partitions"]]
        return _Topics(
            {topic["name"]: str(topic.get("topic_id", "")) for topic in there},
            tuple(
                TopicPartition(topic["name"], number)
                for topic in sorted(there, key=lambda topic: str(topic["name"]))
                for number in range(len(topic["partitions"]))
            ),
        )

    def _measure(self) -> None:
        with FlowReader(self._cluster, self._stages) as reader:
            while not self._stopped.is_set():
                flow = reader.read()
                in_the_way = () if flow.idle else self._missing(flow.stages, reader.workers())
                self._store.measure(flow, self._stages, self._caught_up, tuple(in_the_way))
                self._stopped.wait(_FLOW_SECONDS)


def _poll(
    consumer: Consumer, places: Sequence[TopicPartition], milliseconds: int
) -> list[Received]:
    if not places:
        return []
    polled = consumer.poll(timeout_ms=milliseconds, max_records=_AT_ONCE)
    return [message for messages in polled.values() for message in messages]


def _behind(consumer: Consumer, places: Sequence[TopicPartition]) -> int:
    """Messages that the partitions hold and that were not read."""
    ends = consumer.end_offsets(list(places)) if places else {}
    return sum(max(0, end - consumer.position(place)) for place, end in ends.items())
