"""What ``tail`` prints: curated examples, for people or as JSON lines."""

import textwrap
from collections.abc import Iterator

from agents.figures import as_score
from schemas.records import Example
from schemas.turns import transcript
from streams.cli.connection import running
from streams.cli.console import notice, printable
from streams.cli.waiting import Waiting
from streams.data.changes import Change, changes, newest, newest_offsets
from streams.data.exports import Shape, json_line
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CURATED
from streams.settings import Settings
from streams.trainer.broker_probe import BrokerProbe

_COLUMNS = 100
_LINES = 4
"""Lines of a response that are shown."""


def tail(settings: Settings, count: int | None, from_beginning: bool, shape: Shape | None) -> None:
    """Print examples as they come, until ``count`` or Ctrl-C; as JSON where ``shape`` is given.

    Raises SettingsError and BrokerError.
    """
    settings = running(settings)
    with BrokerProbe(settings.kafka.cluster()) as probe:
        cluster = settings.kafka.cluster()
        what = f"{'' if from_beginning else 'new '}examples, which workers write to "
        what += f"{cluster.topic(CURATED)} at {cluster.address}"
        waiting = Waiting(what, lambda: probe.not_ready, notice)
        printed: dict[str, int] = {}
        left = count
        for change in _changes(cluster, from_beginning, waiting):
            waiting.came()
            if change.example is None:
                if printed.pop(change.id, None) is not None:
                    notice(f"{printable(change.id)} is no longer accepted")
                continue
            example = change.example
            text = _shown(example, shape)
            if printed.get(example.id) == hash(text):  # only its alternatives are new
                continue
            printed[example.id] = hash(text)
            print(text, flush=True)
            left = left and left - 1
            if left == 0:
                return


def print_newest(settings: Settings, count: int, shape: Shape | None) -> None:
    """Print the ``count`` examples that were accepted or changed last, oldest first.

    Raises SettingsError and BrokerError.
    """
    cluster = running(settings).kafka.cluster()
    found = sorted(newest(cluster), key=lambda change: change.timestamp_ms or 0)[-count:]
    for change in found:
        if change.example is not None:
            print(_shown(change.example, shape))
    if not found:
        notice("no example has been accepted yet: `backstream status` says what is to do")


def _shown(example: Example, shape: Shape | None) -> str:
    return as_text(example) if shape is None else json_line(example, shape)


def _changes(cluster: Cluster, from_beginning: bool, waiting: Waiting) -> Iterator[Change]:
    """The changes; of what is there already, only the newest of each id."""
    if not from_beginning:
        yield from changes(cluster, stop=waiting.look)
        return
    newest = newest_offsets(cluster)
    for change in changes(cluster, {}, stop=waiting.look):
        if change.offset >= newest.get(change.id, 0):
            yield change


def as_text(example: Example) -> str:
    """An example for people: a line about it, the request, and the beginning of the rest."""
    score = as_score(example.rating.score) if example.rating else "seed"
    about = (example.id, example.provenance.source, example.category or "")
    lines = ["  ".join([score, *(printable(one) for one in about if one)])]
    parts = (
        ("said before", transcript(example.turns), 2),
        ("request", example.instruction, _LINES),
        ("given", example.context, 2),
        ("answer", example.response, _LINES),
    )
    for name, text, most in parts:
        if text:
            lines += _beginning(name, text, most)
    return "\n".join([*lines, ""])


def _beginning(name: str, text: str, most: int) -> list[str]:
    """A part with its name before it, cut to so many lines."""
    return textwrap.wrap(
        printable(text),
        _COLUMNS,
        initial_indent=f"{name:>11}  ",
        subsequent_indent=" " * 13,
        max_lines=most,
        placeholder=" …",
    )
