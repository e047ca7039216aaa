"""Feeding documents, requests and human seeds: encode, send, wait until all is acknowledged."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.errors import BrokerError, SourceError, WireError
from schemas.records import Bootstrap, Document, Example, Question
from schemas.wire import MAX_BYTES, encode, headers_for
from streams.data.decisions import read_decisions
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import kafka_errors
from streams.kafka.connection.permissions import denial, writing
from streams.kafka.topics import BOOTSTRAPS, CURATED, DOCUMENTS, QUESTIONS, Topic
from streams.kafka.writing.bounded_producer import bounded_producer, flush
from streams.quantities import as_count

R = TypeVar("R", Document, Example, Bootstrap, Question)
_LONGEST_ERROR_LIST = 20
_UNSENT_BYTES = 32 * 1024 * 1024
_SILENT_SECONDS = 120.0
"""A broker that acknowledges nothing for this long is away."""


@dataclass
class FeedReport:
    """How much was written, and what could not be read."""

    written: int = 0
    """Records that the broker acknowledged."""
    bytes: int = 0
    """Bytes of their values."""
    errors: list[str] = field(default_factory=list)
    """The first errors of the input."""
    failed: int = 0
    """Number of all errors of the input."""
    decided: int | None = None
    """Of seeds: those that were left out, because a person has decided about them."""

    def refuse(self, error: str) -> None:
        """Add an error of the input."""
        self.failed += 1
        if len(self.errors) < _LONGEST_ERROR_LIST:
            self.errors.append(error)


def feed(cluster: Cluster, documents: Iterable[Document | SourceError]) -> FeedReport:
    """Write documents to ``documents`` and wait for the broker.

    Raises BrokerError where it does not acknowledge them.
    """
    return _write(cluster, DOCUMENTS, documents, lambda document: document.source)


def seed(cluster: Cluster, seeds: Iterable[Example | SourceError]) -> FeedReport:
    """Write human pairs to ``curated`` and wait for the broker.

    Leaves out those about which a decision counts: the decider writes what follows from it, and
    writes the seed again where it is undone. Raises BrokerError where the broker does not
    acknowledge them, or the decisions cannot be read.
    """
    decided = {one.id for one in read_decisions(cluster) if one.action != "undo"}
    left_out = set[str]()

    def undecided() -> Iterator[Example | SourceError]:
        for one in seeds:
            if isinstance(one, Example) and one.id in decided:
                left_out.add(one.id)
            else:
                yield one

    report = _write(cluster, CURATED, undecided(), lambda example: example.id)
    report.decided = len(left_out)
    return report


def invent(cluster: Cluster, bootstraps: Iterable[Bootstrap | SourceError]) -> FeedReport:
    """Write requests for instructions to ``bootstraps`` and wait for the broker.

    Raises BrokerError where it does not acknowledge them.
    """
    return _write(cluster, BOOTSTRAPS, bootstraps, lambda bootstrap: bootstrap.id)


def ask(cluster: Cluster, questions: Iterable[Question | SourceError]) -> FeedReport:
    """Write questions to ``questions`` and wait for the broker.

    Raises BrokerError where it does not acknowledge them.
    """
    return _write(cluster, QUESTIONS, questions, lambda question: question.source)


def _write(
    cluster: Cluster,
    topic: Topic,
    records: Iterable[R | SourceError],
    name: Callable[[R], str],
) -> FeedReport:
    report = FeedReport()
    failures: list[Exception] = []
    unsent = 0
    name_on_cluster = cluster.topic(topic)
    acknowledged = Counter[str]()
    with (
        bounded_producer(
            cluster, acks="all", linger_ms=20, max_request_size=2 * MAX_BYTES
        ) as producer,
        kafka_errors(
            f"the broker did not take what was written to {name_on_cluster}",
            cluster,
            writing(name_on_cluster),
        ),
    ):
        for record in records:
            if isinstance(record, SourceError):
                report.refuse(str(record))
                continue
            try:
                value = encode(record)
            except WireError as error:
                report.refuse(f"{name(record)}: {error}")
                continue
            sent = producer.send(
                name_on_cluster, value, record.id.encode(), headers=headers_for(type(record))
            )
            sent.add_callback(lambda _: acknowledged.update(("messages",)))
            sent.add_errback(failures.append)
            report.written += 1
            report.bytes += len(value)
            unsent += len(value)
            if unsent >= _UNSENT_BYTES:  # the client's own buffer has no bound
                flush(producer, acknowledged.total, _SILENT_SECONDS)
                unsent = 0
            if failures:
                break
        flush(producer, acknowledged.total, _SILENT_SECONDS)
    if failures:
        denied = denial(failures[0], cluster, [writing(name_on_cluster)])
        raise BrokerError(
            f"the broker refused {as_count(len(failures), 'record')}, the first because: "
            f"{denied or failures[0]}. Feed them again"
        )
    return report
