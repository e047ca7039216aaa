"""The curated topic as a Hugging Face ``IterableDataset`` whose state is Kafka offsets."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from datasets import DatasetInfo, Features
from datasets import IterableDataset as IterableDataset
from datasets.iterable_dataset import _BaseExamplesIterable

from streams.data.changes import Change, changes, newest
from streams.data.exports import Shape, columns, row
from streams.kafka.cluster import Cluster


def rows(
    cluster: Cluster, partitions: tuple[int, ...], shape: Shape, follow: bool
) -> IterableDataset:
    """The dataset. Nothing is read before it is iterated."""
    info = DatasetInfo(features=Features.from_arrow_schema(columns(shape)))
    return IterableDataset(_TopicRows(cluster, partitions, shape, follow), info=info)


class _TopicRows(_BaseExamplesIterable):
    """Rows of some partitions.

    The library's own generator dataset resumes by the number of rows, which compaction changes.
    """

    def __init__(
        self, cluster: Cluster, partitions: tuple[int, ...], shape: Shape, follow: bool
    ) -> None:
        super().__init__()
        self.cluster = cluster
        self.partitions = partitions
        self.shape = shape
        self.follow = follow
        # The library asks for it where an iteration ends early; no thread is left behind here.
        self._sleep_on_threads_shutdown = False

    def __iter__(self) -> Iterator[tuple[str, dict[str, object]]]:
        state: dict[str, Any] = self._state_dict or self._init_state_dict()
        following = state["next"]
        for change in self._changes(dict(zip(self.partitions, following, strict=True))):
            if change.partition in self.partitions:
                following[self.partitions.index(change.partition)] = change.offset + 1
                if change.example is not None:
                    yield change.id, row(change.example, self.shape)

    def _changes(self, start: dict[int, int]) -> Iterator[Change]:
        if self.follow:
            yield from changes(self.cluster, start)
        else:
            found = sorted(
                newest(self.cluster), key=lambda change: (change.partition, change.offset)
            )
            yield from (
                change for change in found if change.offset >= start.get(change.partition, 0)
            )

    def _init_state_dict(self) -> dict[str, Any]:
        self._state_dict = {"type": type(self).__name__, "next": [0] * len(self.partitions)}
        return self._state_dict

    def shuffle_data_sources(self, generator: np.random.Generator) -> "_TopicRows":
        """Keep the order of the topic: the newest value of an id must come last."""
        return self

    def shard_data_sources(
        self, num_shards: int, index: int, contiguous: bool = True
    ) -> "_TopicRows":
        """The rows of some of the partitions."""
        kept = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return _TopicRows(
            self.cluster, tuple(self.partitions[i] for i in kept), self.shape, self.follow
        )

    def reshard_data_sources(self) -> "_TopicRows":
        """Unchanged: each partition has one reader."""
        return self

    @property
    def num_shards(self) -> int:
        """Number of partitions."""
        return len(self.partitions)
