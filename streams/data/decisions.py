"""People's decisions about pairs, as they are written to the compacted topic of them."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError, DecisionRefused, WireError
from schemas.records import Candidate, Decision, Example, Rating, Ruling, Scored
from schemas.ruling import Action, Texts
from schemas.wire import MAX_BYTES, encode, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.connection.permissions import denial, writing
from streams.kafka.reading.newest import newest_records, take_in
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DECISIONS
from streams.kafka.writing.bounded_producer import bounded_producer

Pair = Scored | Example
"""What is decided about: a rated pair, or an example as ``curated`` has it."""
_SECONDS = 60


def read_decisions(cluster: Cluster, reader: RecordReader | None = None) -> list[Decision]:
    """The newest decision of each example, also one that was undone, in order of first arrival.

    Raises BrokerError.
    """
    return newest_records(cluster, Decision, reader)


class KnownDecisions:
    """The newest decision of each id. Only what is new on the topic is read each time.

    Any thread may call it.
    """

    def __init__(self, cluster: Cluster, fresh_seconds: float = 2.0) -> None:
        """``fresh_seconds`` is how old what was read may be, where many are asked for in one go."""
        self._cluster = cluster
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._newest: dict[str, Decision] = {}
        self._next: dict[int, int] = {}
        self._read_at = float("-inf")

    def of(self, id: str) -> Decision | None:
        """The newest decision about an id; None where there is none. Raises BrokerError."""
        with self._lock:
            if time.monotonic() - self._read_at > self._fresh_seconds:
                self._read()
                self._read_at = time.monotonic()
            return self._newest.get(id)

    def note(self, decision: Decision, partition: int, offset: int) -> None:
        """Take in what was written just now, where it was not read already."""
        with self._lock:
            if offset >= self._next.get(partition, 0):
                self._newest[decision.id] = decision

    def _read(self) -> None:
        reader = RecordReader()
        for received in replay(self._cluster, DECISIONS, starts=self._next):
            self._next[received.partition] = received.offset + 1
            take_in(self._newest, received, Decision, reader, lambda decision: decision)


class Decisions:
    """Writes decisions. Each method waits for the broker, and raises BrokerError.

    Raises DecisionRefused, and writes nothing, where texts and note are too long for the stream.
    ``by`` says who decides, ``note`` why. Each returns what was written.
    """

    def __init__(
        self,
        producer: KafkaProducer,
        cluster: Cluster,
        known: KnownDecisions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``known`` may be shared with other writers in this process."""
        self._producer = producer
        self._cluster = cluster
        self._topic = cluster.topic(DECISIONS)
        self._clock = clock
        self._known = known or KnownDecisions(cluster)

    def drop(self, pair: Pair, by: str, note: str = "") -> Decision:
        """Remove a pair from the curated set, and keep it out."""
        return self._decide(pair, "drop", by, note)

    def accept(self, pair: Pair, by: str, note: str = "") -> Decision:
        """Keep a pair, whatever its rating is."""
        return self._decide(pair, "accept", by, note)

    def edit(
        self,
        pair: Pair,
        by: str,
        *,
        instruction: str | None = None,
        context: str | None = None,
        response: str | None = None,
        note: str = "",
    ) -> Decision:
        """Keep a pair with other texts. None leaves a text as it is; an empty context removes it.

        The texts are those of the newest decision, where the pair was edited before. Raises
        ValueError where the instruction or the response would be empty.
        """
        candidate, rating, before = self._before(pair)
        now = candidate.ruled(before)
        texts = Texts(
            instruction=now.instruction if instruction is None else instruction,
            context=now.context if context is None else context or None,
            response=now.response if response is None else response,
        )
        return self._write(candidate, rating, self._ruling("edit", by, note, texts))

    def of(self, id: str) -> Decision | None:
        """The decision about an id that counts. None where there is none, or it was undone."""
        known = self._known.of(id)
        return None if known is None or known.action == "undo" else known

    def undo(self, id: str, by: str, note: str = "") -> Decision | None:
        """Let the model's rating and the rules count again.

        None, and nothing is written, where no decision about the id counts.
        """
        known = self.of(id)
        if known is None:
            return None
        return self._write(known.candidate, known.rating, self._ruling("undo", by, note))

    def _decide(self, pair: Pair, action: Action, by: str, note: str) -> Decision:
        candidate, rating, before = self._before(pair)
        texts = None if before is None else before.texts
        return self._write(candidate, rating, self._ruling(action, by, note, texts))

    def _before(self, pair: Pair) -> tuple[Candidate, Rating | None, Ruling | None]:
        """A pair as the model wrote it, its newest rating, and the ruling that it has now.

        The topic says it: what somebody else decided may be on its way to ``pair`` still.
        """
        known = self._known.of(pair.id)
        if known is None:
            return candidate_of(pair), pair.rating, pair.ruling
        ratings = [one for one in (pair.rating, known.rating) if one is not None]
        rating = max(ratings, key=lambda one: one.term, default=None)
        return known.candidate, rating, None if known.action == "undo" else known.ruling

    def _ruling(self, action: Action, by: str, note: str, texts: Texts | None = None) -> Ruling:
        return Ruling(action=action, by=by, at=self._clock(), note=note, texts=texts)

    def _write(self, candidate: Candidate, rating: Rating | None, ruling: Ruling) -> Decision:
        if reason := ruling.too_long:
            raise DecisionRefused(
                f"the decision about {candidate.id} was not written: {reason}. Shorten them"
            )
        decision = Decision(candidate=candidate, rating=rating, ruling=ruling)
        try:
            data = encode(decision)
        except WireError as error:
            raise DecisionRefused(
                f"the decision about {candidate.id} was not written: the pair, its new texts and "
                f"the note have more than {MAX_BYTES:,} bytes together. Shorten texts or note"
            ) from error
        try:
            written = self._producer.send(
                self._topic,
                data,
                decision.id.encode(),
                headers=headers_for(Decision),
            ).get(timeout=_SECONDS)
        except KafkaError as error:
            denied = denial(error, self._cluster, [writing(self._topic)])
            raise BrokerError(
                f"the decision about {decision.id} was not written: {denied or error}. Decide again"
            ) from error
        self._known.note(decision, written.partition, written.offset)
        return decision


@contextmanager
def open_decisions(cluster: Cluster, known: KnownDecisions | None = None) -> Iterator[Decisions]:
    """A writer of decisions. ``known`` may be shared with others. Raises BrokerError."""
    with bounded_producer(cluster, acks="all", max_request_size=2 * MAX_BYTES) as producer:
        yield Decisions(producer, cluster, known)


def last_of(decisions: Iterable[Decision], by: str) -> Decision | None:
    """The newest decision of a person that was not undone."""
    counting = [one for one in decisions if one.by == by and one.action != "undo"]
    return max(counting, key=lambda one: one.at, default=None)


def pair_of(decision: Decision) -> Pair:
    """The pair that was decided about, with the texts of the decision: a seed without a rating."""
    candidate = decision.candidate.ruled(decision.ruling)
    if decision.rating is not None:
        return Scored(candidate=candidate, rating=decision.rating, ruling=decision.ruling)
    return candidate.as_seed(decision.ruling)


def candidate_of(pair: Pair) -> Candidate:
    """The candidate of a pair. Of an edited example, it has the edited texts."""
    if isinstance(pair, Scored):
        return pair.candidate
    fields = Candidate.model_fields.keys()
    return Candidate.model_validate({field: getattr(pair, field) for field in fields})
