"""What the segmenter refused of a document: the document is read from its topic and cut again.

A passage that is refused never becomes a record, so its text is in the document alone. Cutting is
deterministic: with the settings that the segmenter had, the ids are those of the rejections.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from kafka import TopicPartition

from agents.passages.filters import TOO_SHORT
from agents.passages.language import language_of
from schemas.conversations import NotAConversation
from schemas.ids import refused_parts_id, segment_id
from schemas.records import Document, Offset, Segment
from schemas.wire import decode, decode_document, header_map
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import Consumer
from streams.kafka.topics import DOCUMENTS
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.settings import Settings
from streams.stages.agent.outputs import Output
from streams.stages.agent.process import AgentProcess
from streams.stages.making import segmenter_of

_MOST = 1_000
"""Most passages of a document that are returned."""
_CHARACTERS = 20_000
"""Longest text of a passage that is returned."""
_WAIT_SECONDS = 10.0
_NICE = 10
"""Of a process that cuts documents which nobody waits for."""

Cut = Callable[[DocumentPlace], Awaitable[tuple[RefusedPassage, ...]]]


def refused_passages(settings: Settings, place: DocumentPlace) -> tuple[RefusedPassage, ...]:
    """The passages of a document that the segmenter refused, in order.

    Empty where the topic does not hold the document any more. It is cut in a process of its own, as
    the segmenter does with large ones, which takes a second or two to start: call it in a thread.
    Raises BrokerError, TimeLimitExceeded, and WireError for a document that cannot be read.
    """

    async def one() -> tuple[RefusedPassage, ...]:
        async with cutting(settings) as cut:
            return await cut(place)

    return asyncio.run(one())


@asynccontextmanager
async def cutting(settings: Settings, *, nice: bool = False) -> AsyncIterator[Cut]:
    """Cuts documents, one after the other, in one process; with ``nice``, of a low priority.

    What it gives raises what ``refused_passages`` raises; RuntimeError where the process ended on
    the document; OSError where none can be started. It blocks the event loop while it reads.
    """
    cluster = settings.kafka.cluster()
    name, make = cluster.topic(DOCUMENTS), partial(_Recutter, settings, _NICE if nice else 0)
    consumer = connect(
        Consumer,
        cluster,
        enable_auto_commit=False,
        isolation_level=cluster.isolation,
        auto_offset_reset="earliest",
        max_poll_records=1,
    )
    with consumer:
        async with AgentProcess(make, decode_document, settings.segments.max_seconds) as process:

            async def cut(place: DocumentPlace) -> tuple[RefusedPassage, ...]:
                with kafka_errors(f"{name} cannot be read", cluster, reading(name)):
                    received = _document(consumer, TopicPartition(name, place.partition), place)
                if received is None:
                    return ()
                id, outputs = await process.process(received)
                # Another document is there where the topic was made anew.
                return tuple(_passages(outputs)) if id == place.id else ()

            yield cut


def _passages(outputs: Sequence[Output]) -> Sequence[RefusedPassage]:
    messages = [output.message for output in outputs]
    segments = [decode(Segment, one.value, header_map(one.headers)) for one in messages]
    return [
        RefusedPassage(
            id=segment.id,
            position=segment.position,
            headings=segment.headings,
            text=segment.text,
            reason=segment.source,
            language=segment.language or "",
        )
        for segment in segments
    ]


class _Recutter:
    """Returns what the segmenter refuses as segments, with the reason as their source."""

    stage = "segmenter"

    def __init__(self, settings: Settings, nice: int) -> None:
        """``nice`` is added to that of this process."""
        os.nice(nice)
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
                    language=language_of(passage.text),
                )
            )
        return refused


def _document(consumer: Consumer, at: TopicPartition, place: DocumentPlace) -> Received | None:
    """The message at a place, or None where retention has deleted it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    consumer.assign([at])
    if not consumer.beginning_offsets([at])[at] <= place.offset < consumer.end_offsets([at])[at]:
        return None
    consumer.seek(at, place.offset)
    while time.monotonic() < deadline:
        for received in consumer.poll(timeout_ms=500).get(at, ()):
            return received if received.offset == place.offset else None
    return None
