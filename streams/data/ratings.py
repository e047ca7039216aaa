"""People's ratings of pairs: which pairs they are asked about, and the compacted topic that holds
what they say.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from typing import TypeVar

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError, WireError
from schemas.records import HumanRating, Record, Scored
from schemas.wire import MAX_BYTES, decode, encode, header_map, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.replay import replay
from streams.kafka.topics import RATINGS, SCORED

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Record)
_BINS = 5
_SECONDS = 60


def read_ratings(cluster: Cluster) -> list[HumanRating]:
    """The newest rating of each example, without those taken back, in order of first arrival.
    Raises BrokerError.
    """
    found: dict[str, HumanRating] = {}
    for received in replay(cluster, RATINGS):
        if received.value is None:
            found.pop((received.key or b"").decode(errors="replace"), None)
        elif rating := _understood(HumanRating, received):
            found[rating.id] = rating
    return list(found.values())


def pairs_to_rate(cluster: Cluster, count: int) -> list[Scored]:
    """Up to ``count`` pairs that no person has rated, spread evenly over the models' ratings.
    Raises BrokerError.

    Deterministic: as long as nothing is scored or rated, the same pairs come in the same order.
    """
    rated = {rating.id for rating in read_ratings(cluster)}
    newest: dict[
        str, tuple[int, float, int, int]
    ] = {}  # not the texts: the topic may be larger than the memory
    for received in replay(cluster, SCORED):
        if scored := _understood(Scored, received):
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
            scored := _understood(Scored, received)
        ):
            texts[scored.id] = scored
    return [texts[id] for id in order if id in texts]


def spread(scores: Mapping[str, float]) -> list[str]:
    """Ids so that any beginning of the list covers the scale from 1 to 5 as evenly as it can: a
    fifth of the scale in turn.

    Within a turn, as within a fifth, the order is that of a hash of the id, so that it does not
    give the score away.
    """
    bins: list[list[str]] = [[] for _ in range(_BINS)]
    for id in sorted(scores, key=_hash):
        bins[min(_BINS - 1, int((scores[id] - 1) / 4 * _BINS))].append(id)
    turns = (sorted(filter(None, turn), key=_hash) for turn in zip_longest(*bins))
    return [id for turn in turns for id in turn]


class Ratings:
    """Writes ratings. Each call returns when the broker has it, and raises BrokerError where it
    does not take it.
    """

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def write(self, rating: HumanRating) -> None:
        """Add a rating, or replace the one of the same example."""
        self._send(rating.id, encode(rating))

    def take_back(self, id: str) -> None:
        """Retract the rating of an example."""
        self._send(id, None)

    def _send(self, id: str, value: bytes | None) -> None:
        headers = headers_for(HumanRating) if value is not None else []
        try:
            self._producer.send(self._topic, value, id.encode(), headers=headers).get(
                timeout=_SECONDS
            )
        except KafkaError as error:
            raise BrokerError(
                f"the rating of {id} was not written: {error}. Rate it again"
            ) from error


@contextmanager
def open_ratings(cluster: Cluster) -> Iterator[Ratings]:
    """A writer of ratings. Raises BrokerError where there is no Kafka."""
    try:
        producer = KafkaProducer(**cluster.client, acks="all", max_request_size=2 * MAX_BYTES)
    except KafkaError as error:
        raise BrokerError(f"no Kafka at {cluster.address}: {error}") from error
    try:
        yield Ratings(producer, cluster.topic(RATINGS))
    finally:
        producer.close()


def _hash(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()


def _understood(kind: type[R], received: Received) -> R | None:
    """A message as a record; None for one of another hand or version, which cannot be rated and
    does not count.
    """
    if received.value is None:
        return None
    try:
        return decode(kind, received.value, header_map(received.headers))
    except WireError as error:
        log.warning(
            "%s@%d:%d is passed over: %s",
            received.topic,
            received.partition,
            received.offset,
            error,
        )
        return None
