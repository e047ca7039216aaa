"""Watches committed offsets: what is left to do, and how long a stage took to go on."""

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, TopicPartition

STAGES = {
    "segmenter": "documents",
    "backward": "segments",
    "scorer": "candidates",
    "curator": "scored",
}
"""Stage -> the topic that it reads; those that documents pass."""
_WATCHED = {
    **STAGES,
    "inventor": "bootstraps",
    "answerer": "questions",
    "decider": "decisions",
}
"""Those that poison alone reaches too."""
READ_BY_STAGES = frozenset(_WATCHED.values())
"""The topics on which every message is answered for."""
_SAMPLE_SECONDS = 0.25
_ANSWER_SECONDS = 2.0
Place = tuple[str, int]
"""Stage, and partition of its topic."""


@dataclass(frozen=True)
class Sample:
    """Offsets at one moment."""

    at: float
    """Of ``time.monotonic``."""
    committed: Mapping[Place, int]
    ends: Mapping[Place, int]

    def lag(self, place: Place) -> int:
        return max(0, self.ends.get(place, 0) - self.committed.get(place, 0))

    @property
    def left(self) -> int:
        """Messages that are not committed, of all stages."""
        return sum(map(self.lag, self.ends))


@dataclass
class Watch:
    """Samples in a thread, through librdkafka. Use as a context manager."""

    brokers: str
    group: str = "backstream"
    samples: list[Sample] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    @property
    def last(self) -> Sample:
        """The newest sample, or an empty one."""
        return self.samples[-1] if self.samples else Sample(0.0, {}, {})

    def done(self, stage: str) -> int:
        """Committed messages of a stage."""
        return sum(n for (name, _), n in self.last.committed.items() if name == stage)

    def recovered(self, since: float) -> float | None:
        """Seconds until every stage had committed progress after ``since``. None while it has not.

        Every partition counts that had something left then; of the others, one of each stage.
        """
        before = [sample for sample in self.samples if sample.at <= since]
        after = [sample for sample in self.samples if sample.at > since]
        start = before[-1] if before else Sample(since, {}, {})
        waiting = {place for place in start.ends if start.lag(place)}
        waiting |= {(stage, -1) for stage in STAGES}
        for sample in after:
            moved = {
                place
                for place, offset in sample.committed.items()
                if offset > start.committed.get(place, 0)
            }
            moved |= {(stage, -1) for stage, _ in moved}
            if waiting <= moved:
                return sample.at - since
        return None

    def idle(self, fed: int, markers: int, seconds: float) -> bool:
        """Whether nothing has been left, and nothing has moved, for ``seconds``.

        ``fed`` messages lie in ``documents``. ``markers`` is how many transaction markers lie in
        the topics: they have offsets, and need not be committed.
        """
        last = self.last
        if last.left > markers:
            return False
        if sum(end for (stage, _), end in last.ends.items() if stage == "segmenter") < fed:
            return False
        return self.still(seconds)

    def still(self, seconds: float) -> bool:
        """Whether no offset has moved for ``seconds``."""
        last = self.last
        for sample in reversed(self.samples):
            if (sample.committed, sample.ends) != (last.committed, last.ends):
                return False
            if last.at - sample.at >= seconds:
                return True
        return False

    def _run(self) -> None:
        consumers: dict[str, Consumer] = {}
        try:
            while not self._ended.is_set():
                with contextlib.suppress(KafkaException):
                    for stage in _WATCHED:
                        if stage not in consumers:
                            consumers[stage] = self._consumer(stage)
                    self.samples.append(self._sample(consumers))
                self._ended.wait(_SAMPLE_SECONDS)
        finally:
            for consumer in consumers.values():
                consumer.close()

    def _consumer(self, stage: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": f"{self.group}.{stage}",
                "enable.auto.commit": False,
                # So that what an open transaction holds back counts as left.
                "isolation.level": "read_uncommitted",
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def _sample(self, consumers: Mapping[str, Consumer]) -> Sample:
        committed: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        for stage, topic in _WATCHED.items():
            consumer = consumers[stage]
            known = consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic].partitions
            places = [TopicPartition(topic, partition) for partition in known]
            for place in places:
                _, end = consumer.get_watermark_offsets(place, timeout=_ANSWER_SECONDS)
                ends[stage, place.partition] = end
            for place in consumer.committed(places, timeout=_ANSWER_SECONDS) if places else ():
                if place.error is not None:
                    raise KafkaException(place.error)
                committed[stage, place.partition] = max(0, place.offset)
        return Sample(time.monotonic(), committed, ends)
