"""Feeding documents: read, encode, send, and return when the broker has acknowledged everything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError, SourceError, WireError
from schemas.records import Document
from schemas.wire import MAX_BYTES, encode, headers_for
from streams.topics import DOCUMENTS

_LONGEST_ERROR_LIST = 20
_UNSENT_BYTES = 32 * 1024 * 1024


@dataclass
class FeedReport:
    """What became of the input."""

    documents: int = 0
    """Acknowledged by the broker."""
    bytes: int = 0
    """Of text, in UTF-8."""
    errors: list[str] = field(default_factory=list)
    """What could not be read, the first few."""
    failed: int = 0
    """How many could not be read."""

    def refuse(self, error: str) -> None:
        """Note an input that could not be read."""
        self.failed += 1
        if len(self.errors) < _LONGEST_ERROR_LIST:
            self.errors.append(error)


def feed(client: Mapping[str, Any], documents: Iterable[Document | SourceError]) -> FeedReport:
    """Write documents to ``documents`` and wait for the broker. Raises BrokerError where it does not take them."""
    report = FeedReport()
    headers = headers_for(Document)
    failures: list[Exception] = []
    unsent = 0
    try:
        producer = KafkaProducer(**client, acks="all", linger_ms=20, max_request_size=2 * MAX_BYTES)
    except KafkaError as error:
        raise BrokerError(
            f"no Kafka at {client.get('bootstrap_servers')}: {error}. Is it running, and is the address right?"
        ) from error
    try:
        for document in documents:
            if isinstance(document, SourceError):
                report.refuse(str(document))
                continue
            try:
                value = encode(document)
            except WireError as error:
                report.refuse(f"{document.source}: {error}")
                continue
            producer.send(DOCUMENTS.name, value, document.id.encode(), headers=headers).add_errback(failures.append)
            report.documents += 1
            report.bytes += len(value)
            unsent += len(value)
            if unsent >= _UNSENT_BYTES:  # the client's own buffer has no bound
                producer.flush()
                unsent = 0
            if failures:
                break
        producer.flush()
    except KafkaError as error:
        raise BrokerError(f"the broker did not take the documents: {error}") from error
    finally:
        producer.close()
    if failures:
        raise BrokerError(f"the broker refused {len(failures)} documents, the first because: {failures[0]}. Feed them again")
    return report
