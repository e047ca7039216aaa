"""The curated set for downstream users: a snapshot, a stream of changes, a Hugging Face dataset.

An id may occur again, with a newer rating or after a retraction. Its newest value counts.
``snapshot`` returns each id once. ``follow`` and ``changes`` yield every value in the order of the
topic, so the last one of an id is the newest.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from schemas.errors import SettingsError
from schemas.records import Example
from streams.data.changes import Change, changes, newest, partitions
from streams.data.exports import Shape
from streams.kafka.cluster import Cluster

if TYPE_CHECKING:
    from streams.data.hugging_face import IterableDataset

__all__ = [
    "Change",
    "changes",
    "connect",
    "follow",
    "iterable_dataset",
    "newest",
    "partitions",
    "snapshot",
]


def connect(bootstrap_servers: str, *, topic_prefix: str = "", **options: Any) -> Cluster:
    """The cluster that the functions here read. Does not connect yet.

    Takes ``host:port``, the deployment's ``kafka.topic_prefix``, and kafka-python's options for TLS
    and SASL.
    """
    return Cluster({"bootstrap_servers": bootstrap_servers, **options}, topic_prefix)


def snapshot(cluster: Cluster) -> list[Example]:
    """The newest value of each id that is not retracted, in order of first arrival.

    Raises BrokerError.
    """
    return [change.example for change in newest(cluster) if change.example is not None]


def follow(
    cluster: Cluster,
    *,
    from_beginning: bool = True,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Example]:
    """Examples as they come, until ``stop()``, without retractions. Raises BrokerError.

    From the beginning, older values of an id come too, where the broker has not compacted them yet.
    """
    for change in changes(cluster, {} if from_beginning else None, stop=stop):
        if change.example is not None:
            yield change.example


def iterable_dataset(
    cluster: Cluster, shape: Shape = Shape.TRIPLES, *, follow: bool = False
) -> "IterableDataset":
    """The set as a ``datasets.IterableDataset`` of rows as in ``backstream export``.

    Without ``follow``: the set as it is when an epoch begins, each id once. With it: every example
    of the topic, then new ones without end; an id may occur again, and its newest row counts. Only
    the rows of ``triples`` have the id. Retractions have no row: a new epoch without ``follow``
    leaves retracted ids out, and ``changes`` shows them.

    ``state_dict`` holds offsets of the topic, so a resumed iteration continues with the next
    message, whatever was compacted meanwhile. Without ``follow``, an id that changed meanwhile
    occurs again. Each partition is a shard.

    Raises BrokerError, and SettingsError where ``datasets`` is not installed.
    """
    try:
        from streams.data.hugging_face import rows
    except ImportError as error:
        raise SettingsError(
            f"{error}: `pip install 'datasets>=5,<6'`, or Backstream's extra `train`"
        ) from error
    return rows(cluster, partitions(cluster), shape, follow)
