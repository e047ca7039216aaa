"""What a fetch of a partition brought, as messages. The consumers of both clients read so.

Whoever may write to a topic chooses the bytes of its batches. What the decoder refuses is therefore
read once more by ``record_batches``, and comes as a message that says why it is undecodable. The
messages around it are as they always are. The decoder is aiokafka's, which is compiled.
"""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from schemas.errors import WireError
from streams.kafka.messages import Partition, Received
from streams.kafka.reading.decompression import decompress
from streams.kafka.reading.record_batches import (
    HEADER_BYTES,
    LENGTH,
    MAGIC_AT,
    BatchHeader,
    decompressed,
    is_abort_marker,
    read_records,
    stand_in,
)

MAX_BATCH_BYTES = 64 * 1024 * 1024
"""Most bytes of a decompressed batch that are held. Records beyond them are undecodable."""
_MAX_DECOMPRESSED = 16 * 1024 * 1024
"""After so many bytes no further batch of a fetch is decompressed; it is fetched again."""
_INT = struct.Struct(">i")
_CUT = f"its batch decompresses to more than {MAX_BATCH_BYTES} bytes"
_LEGACY_KEY_AT = {0: 18, 1: 26}
"""Where the key begins in the formats before Kafka 0.11, by their number."""


class Gap(NamedTuple):
    """Offsets without a message at the end of what was fetched. ``offset`` is the last of them.

    Markers of transactions, aborted messages, and what compaction removed.
    """

    offset: int


class Restart(NamedTuple):
    """What follows is read from the start of the log, which ended before what had been read of it.

    The log was lost, or the topic was deleted and made anew.
    """

    offset: int
    """Where the partition is read from."""
    read_until: int
    """Where it was to be read from, which lies behind its end."""


class Fetched:
    """The messages of one fetch of a partition, in order; an iterator.

    A batch with a wrong checksum is fetched a second time before it counts as undecodable: it may
    have been damaged on its way.
    """

    def __init__(
        self,
        place: Partition,
        data: Any,
        position: int,
        end: int,
        suspects: dict[Partition, int],
        aborted: Iterable[tuple[int, int]] | None = None,
        gaps: bool = False,
        read_until: int | None = None,
    ) -> None:
        """Take the bytes ``data`` that a fetch from ``position`` brought.

        ``end`` is the end of the partition at that time. ``aborted`` are the aborted transactions
        among the bytes, by producer id and first offset; None to read uncommitted messages too.
        ``suspects`` belongs to the consumer, and is where a batch with a wrong checksum is noted.
        With ``gaps`` a ``Gap`` comes where the last offsets hold no message. ``read_until`` is the
        position before this one, where the log ended before it: then a ``Restart`` comes first.
        """
        self.next_fetch_offset = position
        """Where to go on after what was returned so far."""
        self.leader_epoch = -1
        """That of the last batch."""
        self._place = place
        self._end = end
        self._suspects = suspects
        self._aborted = None if aborted is None else deque(sorted(aborted, key=lambda one: one[1]))
        self._aborting: set[int] = set()
        """Producers whose messages are skipped until the marker of the abort."""
        self._decompressed = 0
        self._restart: list[Restart] = []
        if read_until is not None and read_until > position:
            self._restart.append(Restart(position, read_until))
        self._messages = self._read(_split(memoryview(data)), gaps)

    def __iter__(self) -> "Fetched":
        return self

    def __next__(self) -> Received | Gap | Restart:
        return next(self._messages)

    def _read(self, batches: list[memoryview], gaps: bool) -> Iterator[Received | Gap | Restart]:
        yield from self._restart
        taken = self.next_fetch_offset
        for batch, following in zip_longest(batches, batches[1:]):
            if self._decompressed > _MAX_DECOMPRESSED:
                break
            # The checksum does not cover the offset, by which others could be skipped.
            decoder = _decoder(batch)
            if decoder is not None and LENGTH.unpack_from(batch)[0] < self._end:
                last, messages = self._open(batch, decoder)
            elif self._suspects.get(self._place) == self.next_fetch_offset:
                last, messages = self._damaged(batch, following)
            else:
                self._suspects[self._place] = self.next_fetch_offset
                break
            for received in messages:
                if received.offset >= self.next_fetch_offset:
                    self.next_fetch_offset = taken = received.offset + 1
                    yield received
            self.next_fetch_offset = max(self.next_fetch_offset, last + 1)
        if gaps and self.next_fetch_offset > taken:
            yield Gap(self.next_fetch_offset - 1)

    def _open(
        self, batch: memoryview, decoder: DefaultRecordBatch | LegacyRecordBatch
    ) -> tuple[int, Iterable[Received]]:
        """The last offset of a batch, and its messages."""
        if isinstance(decoder, LegacyRecordBatch):
            last, _ = LENGTH.unpack_from(batch)
            return last, self._legacy_messages(batch, decoder, last)
        header = BatchHeader.read(batch)
        self.leader_epoch = header.leader_epoch
        last = header.last_offset
        if self._is_aborted(header, batch) or header.is_control or last < self.next_fetch_offset:
            return last, ()
        return last, self._messages_of(header, batch, decoder)

    def _is_aborted(self, header: BatchHeader, batch: memoryview) -> bool:
        """Whether a batch belongs to an aborted transaction, as Java's consumer finds it."""
        if self._aborted is None or header.producer_id < 0:
            return False
        while self._aborted and self._aborted[0][1] <= header.last_offset:
            self._aborting.add(self._aborted.popleft()[0])
        if header.is_control:
            if is_abort_marker(header, batch):
                self._aborting.discard(header.producer_id)
            return False
        return header.is_transactional and header.producer_id in self._aborting

    def _messages_of(
        self, header: BatchHeader, batch: memoryview, decoder: DefaultRecordBatch
    ) -> Iterator[Received]:
        whole = True
        if header.codec:
            try:
                made, whole = decompressed(batch, MAX_BATCH_BYTES)
            except WireError as error:
                yield self._undecodable(header.base_offset, header.last_offset, error)
                return
            batch = memoryview(made)
            decoder = DefaultRecordBatch(batch)
            self._decompressed += len(batch)
        topic, partition = self._place
        read, expected, last = 0, header.base_offset, header.last_offset
        try:
            for record in decoder:
                if not expected <= record.offset <= last:
                    break
                yield Received(
                    topic,
                    partition,
                    record.offset,
                    record.key,
                    record.value,
                    record.headers,
                    None,
                    record.timestamp,
                )
                read, expected = read + 1, record.offset + 1
        except Exception:  # whatever the decoder refuses is read as far as it can be
            pass
        if read < header.records:
            cut = "" if whole else _CUT
            for raw in read_records(header, batch[HEADER_BYTES:], read, expected, cut):
                yield Received(
                    topic,
                    partition,
                    raw.offset,
                    raw.key,
                    raw.value,
                    raw.headers,
                    raw.reason,
                    raw.timestamp_ms,
                )

    def _legacy_messages(
        self, batch: memoryview, decoder: LegacyRecordBatch, last: int
    ) -> Iterator[Received]:
        topic, partition = self._place
        try:
            _check_legacy_size(batch)
            for record in decoder:
                yield Received(
                    topic,
                    partition,
                    record.offset,
                    record.key,
                    record.value,
                    timestamp_ms=record.timestamp,
                )
        except Exception as error:  # the decoder raises what it comes to
            yield self._undecodable(self.next_fetch_offset, last, error)

    def _damaged(
        self, batch: memoryview, following: memoryview | None
    ) -> tuple[int, Iterable[Received]]:
        """The last offset of a batch whose checksum was wrong twice, and what stands for it.

        Its header may be damaged as well, so no offset is taken from it that would skip others.
        """
        del self._suspects[self._place]
        first = last = self.next_fetch_offset
        if following is not None and len(following) >= LENGTH.size:
            last = LENGTH.unpack_from(following)[0] - 1
        elif len(batch) >= HEADER_BYTES:
            header = BatchHeader.read(batch)
            if header.records == header.last_offset_delta + 1 and header.base_offset <= first:
                last = header.last_offset
        last = max(first, min(last, self._end - 1))
        reason = "the checksum of its batch is wrong: it was damaged on the broker's disk"
        return last, [self._undecodable(first, last, reason)]

    def _undecodable(self, first: int, last: int, reason: object) -> Received:
        topic, partition = self._place
        raw = stand_in(first, last, str(reason))
        return Received(topic, partition, raw.offset, None, None, (), raw.reason)


def _split(data: memoryview) -> list[memoryview]:
    """The whole batches of what was fetched. The last one may be cut, and comes with the next."""
    batches, at = [], 0
    while at + MAGIC_AT < len(data):
        end = at + LENGTH.size + LENGTH.unpack_from(data, at)[1]
        if not at < end <= len(data):
            break
        batches.append(data[at:end])
        at = end
    return batches


def _decoder(batch: memoryview) -> DefaultRecordBatch | LegacyRecordBatch | None:
    """What decodes a batch. None where the checksum is wrong, or where there is no such format."""
    magic = batch[MAGIC_AT] if len(batch) > MAGIC_AT else -1
    decoder = None
    try:
        if magic == 2 and len(batch) >= HEADER_BYTES:
            decoder = DefaultRecordBatch(batch)
        elif magic in _LEGACY_KEY_AT and len(batch) > _LEGACY_KEY_AT[magic]:
            decoder = LegacyRecordBatch(batch, magic)
        return decoder if decoder is not None and decoder.validate_crc() else None
    except Exception:  # the decoder raises what it comes to
        return None


def _check_legacy_size(batch: memoryview) -> None:
    """Raise WireError where a compressed message of an old format is longer than the limit."""
    codec = batch[MAGIC_AT + 1] & 0x07
    if not codec:
        return
    at = _LEGACY_KEY_AT[batch[MAGIC_AT]]
    for _ in ("key", "value"):
        length = max(0, _INT.unpack_from(batch, at)[0])
        start, at = at + _INT.size, at + _INT.size + length
    if not decompress(codec, batch[start:at], MAX_BATCH_BYTES, bytearray()):
        raise WireError(_CUT)
