"""Records at fault, and surroundings at fault, against a real broker.

The stages run in this process. Only those without a model are needed.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from schemas.records import Candidate, Provenance, Rating, Scored
from schemas.wire import encode, headers_for
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CURATED, DEAD_LETTERS, DOCUMENTS, SCORED, SEGMENTS
from streams.kafka.writing.dead_letters import LARGEST, MESSAGE, origin_of
from streams.kafka.writing.sending_back import send_back
from streams.observe.lag import FlowReader
from streams.observe.letters import read_letters
from streams.settings import Settings, load
from streams.stages.agent.child import run
from streams.stages.topology import STAGES, StageSpec
from streams.worker.worker import Worker
from tests.chaos.cluster import Cluster as ProxiedCluster
from tests.integration.conftest import passage

_SEGMENTER, *_, _CURATOR = STAGES
_SECONDS = 120.0


@asynccontextmanager
async def running(settings: Settings, spec: StageSpec) -> AsyncIterator[Worker]:
    """A worker with one stage, from here to the end of the block."""
    worker = Worker(settings, [spec])
    task = asyncio.create_task(worker.run({}))
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def committed(settings: Settings, spec: StageSpec, total: int) -> None:
    """Wait until the stage has committed all messages of its source."""

    def read() -> int:
        with FlowReader(settings.kafka.cluster()) as reader:
            return sum(
                offset for (stage, _, _), offset in reader.committed().items() if stage == spec.name
            )

    async with asyncio.timeout(_SECONDS):
        while await asyncio.to_thread(read) < total:  # noqa: ASYNC110
            await asyncio.sleep(0.3)


def letters_of(cluster: Cluster) -> dict[int, Received]:
    """The dead letters by the offset of their origin, which is on partition 0."""
    found = {}
    for letter in read_letters(cluster):
        origin = origin_of(letter)
        assert origin is not None
        found[origin.offset] = letter
    return found


def _compressing(settings: Settings) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "compression.type": "gzip",
            "message.max.bytes": 100_000_000,
        }
    )


async def test_what_is_larger_than_any_topic_takes_is_cut(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    topic = cluster.topic(DOCUMENTS)
    values = [b"a" * 6_000_000, b"b" * 50_000_000, b"\xff", b"\xff\xff", passage(1).encode()]
    headers: list[Any] = [("trace", b"t"), ("large", b"h" * 6_000_000), ("last", b"l")]
    producer = _compressing(settings)
    for offset, value in enumerate(values):
        key = b"k" * 6_000_000 if value == b"\xff\xff" else b"key%d" % offset
        producer.produce(
            topic, value, key, partition=0, headers=headers if value == b"\xff" else []
        )
        assert not producer.flush(60)

    async with running(settings, _SEGMENTER):
        await committed(settings, _SEGMENTER, len(values))

    letters = letters_of(cluster)
    assert letters.keys() == {0, 1, 2, 3}, "the other document is followed"
    for offset in (0, 1):
        told = dict(letters[offset].headers)
        kept, whole = letters[offset].value, values[offset]
        assert kept is not None
        assert whole.startswith(kept)
        assert LARGEST - 100_000 < len(kept) < LARGEST
        assert told["backstream.value.length"] == b"%d" % len(whole)
        assert told["backstream.value.sha256"] == hashlib.sha256(whole).hexdigest().encode()
        assert letters[offset].key == b"key%d" % offset
    names = [name for name, _ in letters[2].headers]
    assert names[:2] == ["trace", "last"]
    assert "large" not in names
    assert "backstream.headers.sha256" in names
    assert dict(letters[3].headers)["backstream.key.length"] == b"6000000"
    sent = send_back(cluster, letters.values(), [DOCUMENTS])
    assert sent.sent == 0
    assert [why.reason.split(" did not fit")[0] for why in sent.left_out] == [
        "its value",
        "its value",
        "its headers",
        "its key",
    ]
    assert all("documents/0@" in why.reason for why in sent.left_out)


async def test_null_keys_with_null_values_are_dead_letters_and_hold_up_nothing(
    settings: Settings,
) -> None:
    cluster = settings.kafka.cluster()
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    for _ in range(300):
        producer.produce(cluster.topic(DOCUMENTS), None, None, partition=0)
    producer.produce(cluster.topic(DOCUMENTS), passage(1).encode(), b"key", partition=0)
    assert not producer.flush(60)

    async with running(settings, _SEGMENTER):
        await committed(settings, _SEGMENTER, 301)

    letters = list(replay(cluster, DEAD_LETTERS))
    assert len(letters) == 300
    assert {(letter.key, letter.value) for letter in letters} == {(None, None)}
    assert sum(1 for _ in replay(cluster, SEGMENTS)) == 1
    assert send_back(cluster, letters[:1], [DOCUMENTS]).left_out[0].reason == (
        "the message has neither a key nor a value"
    )


async def test_charsets_that_are_not_the_webs_and_documents_that_take_too_long(
    settings: Settings,
) -> None:
    cluster = settings.kafka.cluster()
    segments = settings.segments.model_copy(update={"max_seconds": 1.0})
    settings = settings.model_copy(update={"segments": segments})
    poison = [
        (b"a-" * 2_000_000, b"text/plain; charset=punycode"),
        (b"a-" * 2_000_000, b"text/html; charset=idna"),
        (b"caf+AOk-", b"text/plain; charset=utf-7"),
        (b"\n".join(cell * 600_000 for cell in (b"a|", b"-|", b"x|")), b"text/markdown"),
    ]
    good = [(text, b"text/plain") for text in (passage(n).encode() for n in range(20))]
    large = "\n".join(passage(n) for n in range(20, 60)).encode("cp1252")
    good.append((large, b"text/plain; charset=iso-8859-1"))
    producer = _compressing(settings)
    for value, content_type in poison + good:
        producer.produce(
            cluster.topic(DOCUMENTS), value, b"k", 0, headers=[("content-type", content_type)]
        )
    assert not producer.flush(60)

    async with running(settings, _SEGMENTER):
        await committed(settings, _SEGMENTER, len(poison) + len(good))

    letters = letters_of(cluster)
    assert letters.keys() == {0, 1, 2, 3}
    told = [dict(letters[offset].headers)[MESSAGE].decode() for offset in range(4)]
    assert ["charset" in message for message in told] == [True, True, True, False]
    assert "took longer than 1 s of CPU" in told[3]
    assert sum(1 for _ in replay(cluster, SEGMENTS)) == 60


async def test_a_stop_does_not_wait_for_a_document_that_is_stuck(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    settings = settings.model_copy(update={"shutdown_seconds": 2.0})
    producer = _compressing(settings)
    stuck = b"\n".join(cell * 600_000 for cell in (b"a|", b"-|", b"x|"))
    for value in (passage(1).encode(), stuck, passage(2).encode()):
        producer.produce(
            cluster.topic(DOCUMENTS), value, b"k", 0, headers=[("content-type", b"text/markdown")]
        )
        assert not producer.flush(60)  # one at a time, or a retry could change their order

    async with running(settings, _SEGMENTER):
        async with asyncio.timeout(_SECONDS):
            while not (children := _document_processes()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for child in children:
            child.suspend()
        await committed(settings, _SEGMENTER, 1)
    assert not any(child.is_running() for child in children)
    with FlowReader(cluster) as reader:
        offsets = reader.committed()
    assert offsets[_SEGMENTER.name, cluster.topic(DOCUMENTS), 0] == 1, "it is read again"
    assert list(replay(cluster, DEAD_LETTERS)) == []


def _document_processes() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if run.__module__ in " ".join(child.cmdline())
    ]


@pytest.mark.kafka
async def test_no_record_dies_while_connections_are_refused_to_a_curator_that_restores(
    tmp_path: Path,
) -> None:
    with ProxiedCluster(tmp_path / "kafka") as kafka:
        [proxy] = kafka.proxies
        options = ("curation.threshold=1", "curation.passage_novelty=1")
        direct = load(None, {"state_dir": tmp_path}, options)
        direct = direct.with_broker(kafka.address)
        cluster = direct.kafka.cluster()
        create_topics(cluster)
        rating = Rating(score=4.0, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
        async with AIOKafkaProducer(**cluster.client, acks="all") as producer:
            for number in range(30):
                title, _, text = passage(number).partition("\n")
                scored = Scored(
                    candidate=Candidate(
                        id=f"candidate{number}",
                        instruction=f"Explain number {number} of the notes: {title.lower()}?",
                        response=text,
                        provenance=Provenance(),
                    ),
                    rating=rating,
                )
                await producer.send_and_wait(
                    SCORED.name, encode(scored), scored.id.encode(), headers=headers_for(Scored)
                )
        proxy.refuse_client("aiokafka-0")
        async with running(direct.with_broker(kafka.proxied), _CURATOR) as worker:
            async with asyncio.timeout(_SECONDS):
                while "cannot be restored" not in (worker.not_ready or ""):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            proxy.heal()
            await committed(direct, _CURATOR, 30)
        assert list(replay(cluster, DEAD_LETTERS)) == []
        assert {message.key for message in replay(cluster, CURATED)} <= {
            b"candidate%d" % number for number in range(30)
        }


async def test_a_message_that_stays_unreadable_does_not_multiply(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    for key in (b"a", b"b"):
        producer.produce(cluster.topic(DOCUMENTS), b"\xff", key, partition=0)
    assert not producer.flush(60)

    async with running(settings, _SEGMENTER):
        for written in (2, 4, 6):
            await committed(settings, _SEGMENTER, written)
            letters = list(replay(cluster, DEAD_LETTERS))
            assert len(letters) == written
            sent = await asyncio.to_thread(send_back, cluster, letters, [DOCUMENTS])
            assert (sent.sent, sent.left_out) == (2, ())
