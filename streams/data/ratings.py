"""Human ratings of pairs: which pairs to ask about, and the compacted topic of the answers."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError
from schemas.records import HumanRating, Scored
from schemas.wire import MAX_BYTES, encode, headers_for
from streams.data.decisions import read_decisions
from streams.kafka.cluster import Cluster
from streams.kafka.connection.permissions import denial, writing
from streams.kafka.reading.newest import newest_records
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import RATINGS, SCORED
from streams.kafka.writing.bounded_producer import bounded_producer

_BINS = 5
_SECONDS = 60


def read_ratings(cluster: Cluster, reader: RecordReader | None = None) -> list[HumanRating]:
    """The newest rating of each example that is not retracted, in order of first arrival.

    Raises BrokerError.
    """
    return newest_records(cluster, HumanRating, reader)


def pairs_to_rate(cluster: Cluster, count: int) -> list[Scored]:
    """Up to ``count`` pairs without a human rating, spread evenly over the models' ratings.

    Pairs that a person decided about are left out. Deterministic: as long as nothing is scored,
    rated or decided, the same pairs come in the same order.
    Raises BrokerError.
    """
    reader = RecordReader()
    rated = {rating.id for rating in read_ratings(cluster, reader)}
    rated |= {one.id for one in read_decisions(cluster, reader) if one.action != "undo"}
    # Without the texts, because the topic may be larger than the memory.
    newest: dict[str, tuple[int, float, int, int]] = {}
    for received in replay(cluster, SCORED):
        if scored := reader.read_record(received, Scored):
            at = (scored.rating.term, scored.rating.score, received.partition, received.offset)
            if at[0] >= newest.get(scored.id, at)[0]:
                newest[scored.id] = at
    order = spread({id: score for id, (_, score, _, _) in newest.items() if id not in rated})[
        :count
    ]
    wanted = {newest[id][2:]: id for id in order}
    texts: dict[str, Scored] = {}
    for received in replay(cluster, SCORED) if wanted else ():
        if (received.partition, received.offset) in wanted and (
            scored := reader.read_record(received, Scored)
        ):
            texts[scored.id] = scored
    return [texts[id] for id in order if id in texts]


def spread(scores: Mapping[str, float]) -> list[str]:
    """Order ids so that each beginning of the list covers the scale from 1 to 5 evenly.

    The scale has five bins, which take turns. The order in a turn and in a bin is that of a hash of
    the id, so that it does not reveal the score.
    """
    bins: list[list[str]] = [[] for _ in range(_BINS)]
    for id in sorted(scores, key=_hash):
        bins[min(_BINS - 1, int((scores[id] - 1) / 4 * _BINS))].append(id)
    turns = (sorted(filter(None, turn), key=_hash) for turn in zip_longest(*bins))
    return [id for turn in turns for id in turn]


class Ratings:
    """Writes ratings. Each call waits for the broker, and raises BrokerError where it refuses."""

    def __init__(self, producer: KafkaProducer, cluster: Cluster) -> None:
        self._producer = producer
        self._cluster = cluster
        self._topic = cluster.topic(RATINGS)

    def write(self, rating: HumanRating) -> None:
        """Add a rating, or replace the one of the same example."""
        self._send(rating.id, encode(rating))

    def of(self, id: str) -> HumanRating | None:
        """The rating of an example. None where it has none."""
        return next((one for one in read_ratings(self._cluster) if one.id == id), None)

    def take_back(self, id: str) -> bool:
        """Retract the rating of an example. False, and nothing is written, where it has none."""
        if self.of(id) is None:
            return False
        self.retract(id)
        return True

    def retract(self, id: str) -> None:
        """Retract the rating of an example that has one."""
        self._send(id, None)

    def _send(self, id: str, value: bytes | None) -> None:
        headers = headers_for(HumanRating) if value is not None else []
        try:
            self._producer.send(self._topic, value, id.encode(), headers=headers).get(
                timeout=_SECONDS
            )
        except KafkaError as error:
            denied = denial(error, self._cluster, [writing(self._topic)])
            raise BrokerError(
                f"the rating of {id} was not written: {denied or error}. Rate it again"
            ) from error


@contextmanager
def open_ratings(cluster: Cluster) -> Iterator[Ratings]:
    """A writer of ratings. Raises BrokerError."""
    with bounded_producer(cluster, acks="all", max_request_size=2 * MAX_BYTES) as producer:
        yield Ratings(producer, cluster)


def _hash(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()
