"""What the segmenter refused of a document: the document is read from its topic and cut again.

A passage that is refused never becomes a record, so its text is in the document alone. Cutting is
deterministic: with the settings that the segmenter had, the ids are those of the rejections.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from kafka import TopicPartition

from agents.passages.filters import TOO_SHORT
from schemas.conversations import NotAConversation
from schemas.ids import refused_parts_id, segment_id
from schemas.records import Document, Offset, Segment
from schemas.wire import decode, decode_document, header_map
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import Consumer
from streams.kafka.topics import DOCUMENTS
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.settings import Settings
from streams.stages.agent.process import AgentProcess
from streams.stages.making import segmenter_of

_MOST = 1_000
"""Most passages of a document that are returned."""
_CHARACTERS = 20_000
"""Longest text of a passage that is returned."""
_WAIT_SECONDS = 10.0


def refused_passages(settings: Settings, place: DocumentPlace) -> tuple[RefusedPassage, ...]:
    """The passages of a document that the segmenter refused, in order.

    Empty where the topic does not hold the document any more. It is cut in a process of its own, as
    the segmenter does with large ones, which takes a second or two to start: call it in a thread.
    Raises BrokerError, TimeLimitExceeded, and WireError for a document that cannot be read.
    """
    received = _document(settings.kafka.cluster(), place)
    if received is None:
        return ()
    return tuple(asyncio.run(_cut(settings, received, place.id)))


async def _cut(settings: Settings, received: Received, id: str) -> Sequence[RefusedPassage]:
    make = partial(_Recutter, settings)
    async with AgentProcess(make, decode_document, settings.segments.max_seconds) as process:
        found, outputs = await process.process(received)
    if found != id:  # the topic was made anew, and another document is there
        return ()
    messages = [output.message for output in outputs]
    segments = [decode(Segment, one.value, header_map(one.headers)) for one in messages]
    return [
        RefusedPassage(
            id=segment.id,
            position=segment.position,
            headings=segment.headings,
            text=segment.text,
            reason=segment.source,
        )
        for segment in segments
    ]


class _Recutter:
    """Returns what the segmenter refuses as segments, with the reason as their source."""

    stage = "segmenter"

    def __init__(self, settings: Settings) -> None:
        self._segmenter = segmenter_of(settings)

    async def handle(self, document: Document, at: Offset | None = None) -> list[Segment]:
        refused: list[Segment] = []
        try:
            passages = self._segmenter.passages(document)
        except NotAConversation:
            return []
        for position, passage in enumerate(passages):
            if passage.refusal is None or not passage.text or len(refused) == _MOST:
                continue
            short = passage.refusal.reason == TOO_SHORT
            turns = [turn.text for turn in passage.turns]
            refused.append(
                Segment(
                    id=refused_parts_id(document.id, TOO_SHORT)
                    if short
                    else segment_id(passage.text, document.context, turns),
                    document_id=document.id,
                    source=passage.refusal.reason,
                    position=position,
                    headings=passage.headings,
                    text=passage.text[:_CHARACTERS],
                )
            )
        return refused


def _document(cluster: Cluster, place: DocumentPlace) -> Received | None:
    """The message at a place, or None where retention has deleted it."""
    name = cluster.topic(DOCUMENTS)
    consumer = connect(
        Consumer,
        cluster,
        enable_auto_commit=False,
        isolation_level=cluster.isolation,
        auto_offset_reset="earliest",
        max_poll_records=1,
    )
    at = TopicPartition(name, place.partition)
    deadline = time.monotonic() + _WAIT_SECONDS
    with consumer, kafka_errors(f"{name} cannot be read", cluster, reading(name)):
        consumer.assign([at])
        if (
            not consumer.beginning_offsets([at])[at]
            <= place.offset
            < consumer.end_offsets([at])[at]
        ):
            return None
        consumer.seek(at, place.offset)
        while time.monotonic() < deadline:
            for received in consumer.poll(timeout_ms=500).get(at, ()):
                return received if received.offset == place.offset else None
    return None
