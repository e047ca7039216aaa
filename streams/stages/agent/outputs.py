"""What a stage writes for a record."""

from collections.abc import Sequence
from typing import NamedTuple

from agents.curation.personal_data import count_masks
from agents.outcomes import Outcome, Retraction
from schemas.errors import WireError
from schemas.records import Example, Rejection, Segment
from schemas.text import REPLACEMENT
from streams.kafka.messages import Message
from streams.kafka.topics import topic_of
from streams.kafka.writing.encoder import Encoder

_MOST_BYTES = 64 * 1024 * 1024
"""Most bytes written for a record. Each passage repeats its document's context and headings, so
that a hostile document of 4 MB could lead to gigabytes.
"""


class Output(NamedTuple):
    """A message to be written."""

    message: Message
    reason: str | None = None
    """Why something was refused, where the message is a rejection."""
    refused: int = 0
    """How many things were refused."""
    replaced: int = 0
    """Characters of a passage that could not be decoded."""
    masked: int = 0
    """Places of an example whose personal data is masked."""


def encode_all(outcomes: Sequence[Outcome], encode: Encoder) -> list[Output]:
    """The messages for the outcomes of one record, in order.

    Raises WireError where one of them, or all together, are too large.
    """
    outputs: list[Output] = []
    size = 0
    for outcome in outcomes:
        output = _encoded(outcome, encode)
        size += len(output.message.value or b"")
        if size > _MOST_BYTES:
            raise WireError(
                f"the record leads to more than {_MOST_BYTES:,} bytes in {len(outcomes):,} "
                "messages: split it, or shorten what each of them repeats"
            )
        outputs.append(output)
    return outputs


def _encoded(outcome: Outcome, encode: Encoder) -> Output:
    if isinstance(outcome, Retraction):
        return Output(Message(topic_of(outcome.record_type).name, outcome.id.encode(), None))
    if type(outcome) is Rejection:
        return Output(encode(outcome), outcome.reason, outcome.count)
    if type(outcome) is Segment:
        return Output(encode(outcome), replaced=outcome.text.count(REPLACEMENT))
    if type(outcome) is Example:
        return Output(encode(outcome), masked=count_masks(outcome))
    return Output(encode(outcome))
