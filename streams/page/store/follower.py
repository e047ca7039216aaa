"""Reads the topics into a store, on a thread of its own."""

from streams.kafka.cluster import Cluster
from streams.page.store.store import Store


class Follower:
    """Use as a context manager: it reads until the block ends.

    Where Kafka cannot be read, it tries again without end; ``Store.reading`` says why.
    """

    def __init__(self, cluster: Cluster, store: Store) -> None:
        raise NotImplementedError

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None: ...
