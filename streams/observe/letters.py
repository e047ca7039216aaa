"""Dead letters as ``dead-letters`` finds and shows them."""

import base64
from collections.abc import Iterator

from schemas.errors import SettingsError
from schemas.wire import header_map
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DEAD_LETTERS
from streams.kafka.writing.dead_letters import (
    EXCEPTION,
    MESSAGE,
    OFFSET,
    PARTITION,
    STACKTRACE,
    STAGE,
    TOPIC,
    SourceMessage,
    origin_of,
    stage_of,
)


def read_letters(cluster: Cluster, stage: str | None = None) -> Iterator[Received]:
    """Yield the dead letters of a stage, or of every stage.

    Of several letters of a stage about one message the first one is yielded. There are several
    where the stage ended between writing a letter and committing. Raises BrokerError.
    """
    seen: set[tuple[str | None, SourceMessage]] = set()
    for letter in replay(cluster, DEAD_LETTERS):
        name, origin = stage_of(letter), origin_of(letter)
        if stage is not None and name != stage:
            continue
        if origin is not None:
            if (name, origin) in seen:
                continue
            seen.add((name, origin))
        yield letter


def find_letter(cluster: Cluster, at: str, stage: str | None = None) -> Received:
    """Return the dead letter at ``PARTITION@OFFSET``.

    Raises SettingsError if there is none, or if it is of another stage. Raises BrokerError.
    """
    for letter in replay(cluster, DEAD_LETTERS):
        if letter.at == at and stage in (None, stage_of(letter)):
            return letter
    of_stage = "" if stage is None else f" of the stage {stage}"
    raise SettingsError(
        f"no dead letter{of_stage} at {at}; `backstream dead-letters list` shows the positions"
    )


def summary(letter: Received) -> dict[str, str]:
    """Return what ``list`` shows of a letter."""
    headers = _headers(letter)
    topic, partition, offset = (headers.get(name, "?") for name in (TOPIC, PARTITION, OFFSET))
    return {
        "at": letter.at,
        "stage": headers.get(STAGE, "?"),
        "source": f"{topic}/{partition}@{offset}",
        "exception": headers.get(EXCEPTION, "?").rsplit(".", 1)[-1],
        "message": headers.get(MESSAGE, letter.undecodable or ""),
    }


def details(letter: Received) -> dict[str, object]:
    """Return everything of a letter; key and value in base64."""
    return {
        **summary(letter),
        "stacktrace": _headers(letter).get(STACKTRACE, ""),
        "key": _base64(letter.key),
        "value": _base64(letter.value),
        "headers": {
            name: (value or b"").decode(errors="replace")
            for name, value in letter.headers
            if name.lower() != STACKTRACE
        },
    }


def _headers(letter: Received) -> dict[str, str]:
    """The headers as text, with lower-case names. Kafka allows a header without a value."""
    return {
        name: value.decode(errors="replace") for name, value in header_map(letter.headers).items()
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
