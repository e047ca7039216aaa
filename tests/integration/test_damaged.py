"""Batches that the broker would refuse: they are changed in its log, below everything.

Each kind lies between two good documents, is read by both clients and by a stage, and is read again
after a restart of the stage.
"""

import asyncio
import struct
from collections.abc import Callable

import pytest

from schemas.records import Document
from schemas.wire import encode, headers_for
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.messages import Received
from streams.kafka.reading.replay import replay, replay_partition
from streams.kafka.topics import DEAD_LETTERS, DOCUMENTS
from streams.kafka.writing.dead_letters import OFFSET
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.settings import Settings
from tests.integration.conftest import passage
from tests.integration.producing import produce_raw
from tests.integration.segmenting import segmented, segmenting
from tests.raw_batches import checksum, raw_batch, raw_record

_HEADERS = [(name.encode(), value) for name, value in headers_for(Document)]
_BYTES = 61
"""Length of a batch's header."""


def _record(delta: int, name: str) -> bytes:
    document = Document(id=name, source=name, text=passage(len(name)))
    return raw_record(delta, name.encode(), encode(document), _HEADERS)


def _set_codec(codec: int) -> Callable[[bytearray], None]:
    def change(batch: bytearray) -> None:
        batch[22] |= codec

    return change


def _lengthen_a_record(batch: bytearray) -> None:
    batch[_BYTES : _BYTES + 2] = b"\xfe\x7f"


def _flip(batch: bytearray) -> None:
    batch[-20] ^= 0xFF


DAMAGE: dict[str, tuple[Callable[[bytearray], None], bool, str]] = {
    "a codec that does not exist": (_set_codec(6), True, "there is no compression codec 6"),
    "a gzip payload that is none": (_set_codec(1), True, "the gzip payload"),
    "a snappy payload that is none": (_set_codec(2), True, "the snappy payload"),
    "an lz4 payload that is none": (_set_codec(3), True, "the lz4 payload"),
    "a zstd payload that is none": (_set_codec(4), True, "the zstd payload"),
    "a record longer than its batch": (_lengthen_a_record, True, "a record of 8191 bytes"),
    "a wrong checksum": (_flip, False, "the checksum of its batch is wrong"),
}
"""How a batch is changed, whether its checksum is then set right, and the reason to be given."""


@pytest.fixture
def damaged(broker: EmbeddedBroker, settings: Settings) -> dict[str, int]:
    """The last offset of the damaged batch of each kind. Each has three records."""
    cluster = settings.kafka.cluster()
    topic = cluster.topic(DOCUMENTS)
    batches = [raw_batch([_record(0, "first")])]
    for kind in DAMAGE:
        batches += [
            raw_batch([_record(delta, f"{kind} {delta}") for delta in range(3)]),
            raw_batch([_record(0, f"after {kind}")]),
        ]
    offsets = asyncio.run(produce_raw(cluster, topic, batches))
    (log,) = broker.directory.glob(f"**/{topic}-0/*.log")
    found = dict(zip(DAMAGE, offsets[1::2], strict=True))
    with log.open("r+b") as file:
        for kind, (change, sound, _) in DAMAGE.items():
            at, batch = _find(log.read_bytes(), found[kind])
            change(batch)
            if sound:
                struct.pack_into(">I", batch, 17, checksum(batch))
            file.seek(at)
            file.write(batch)
    return {kind: offset + 2 for kind, offset in found.items()}


def _find(data: bytes, offset: int) -> tuple[int, bytearray]:
    """Where the batch with a base offset lies, and its bytes."""
    at = 0
    while int.from_bytes(data[at : at + 8], "big") != offset:
        at += 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    return at, bytearray(data[at : at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")])


def _check(read: list[Received], damaged: dict[str, int]) -> None:
    good = [received.key for received in read if received.undecodable is None]
    assert good == [b"first", *(f"after {kind}".encode() for kind in DAMAGE)]
    reasons = {r.offset: r.undecodable for r in read if r.undecodable is not None}
    assert reasons.keys() == set(damaged.values())
    for kind, (_, _, reason) in DAMAGE.items():
        last = damaged[kind]
        assert f"from offset {last - 2} to {last} cannot be decoded" in (reasons[last] or "")
        assert reason in (reasons[last] or "")


async def test_what_is_damaged_in_the_log_is_passed(settings, damaged):
    cluster = settings.kafka.cluster()
    _check(list(replay(cluster, DOCUMENTS)), damaged)
    _check([received async for received in replay_partition(cluster, DOCUMENTS, 0)], damaged)

    for _ in range(2):
        async with segmenting(settings):
            await segmented(settings, 1 + 4 * len(DAMAGE))
    letters = [dict(letter.headers) for letter in replay(cluster, DEAD_LETTERS)]
    assert sorted(int(letter[OFFSET]) for letter in letters) == sorted(damaged.values())
    with FlowReader(cluster) as reader:
        account = audit(cluster, reader.committed()).stages[0]
    assert (account.lost, account.dead) == ((), len(DAMAGE))
