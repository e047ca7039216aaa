"""The sources that a user names, opened with what was fed of each."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.errors import SettingsError
from streams.data.sources import EVERY_FILE, Choice, Columns
from streams.data.sources.columns import ANY_COLUMNS
from streams.data.sources.discovery import local_path
from streams.data.sources.stored import is_address
from streams.intake.lag_watch import LagWatch
from streams.intake.watch.delivery import Delivery
from streams.intake.watch.directory import Directory
from streams.intake.watch.fed import Fed
from streams.intake.watch.feed import Feed
from streams.intake.watch.source import Source
from streams.intake.watch.store import Store
from streams.intake.watch.watching import OnEvent, Watched, Watching
from streams.kafka.reading.replay import check_readable
from streams.kafka.topics import DOCUMENTS
from streams.settings import Settings
from streams.stages.metrics import Metrics

_FEEDS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Reading:
    """How files of directories and stores are read."""

    choice: Choice = EVERY_FILE
    format: str | None = None
    columns: Columns = ANY_COLUMNS


def source_of(name: str, all_settings: Settings, reading: Reading) -> Source:
    """The source that a user names: a path, an address of a store, or that of a feed.

    Raises SettingsError where there is no such path.
    """
    settings = all_settings.watch
    if name.lower().startswith(_FEEDS):
        return Feed(name, seconds=settings.feed_seconds)
    if name.startswith("file:"):
        name = local_path(name)
    elif is_address(name):
        return Store(
            name,
            seconds=settings.store_seconds,
            settle_seconds=settings.settle_seconds,
            choice=reading.choice,
            format=reading.format,
            columns=reading.columns,
        )
    if not os.path.exists(name):
        raise SettingsError(
            f"cannot watch {name}: no such file or directory. Give a directory, an address such as "
            "s3://bucket/folder, or the address of a feed"
        )
    return Directory(
        name,
        seconds=settings.seconds,
        settle_seconds=settings.settle_seconds,
        choice=reading.choice,
        format=reading.format,
        columns=reading.columns,
        without=all_settings.state_dir,
    )


@contextlib.contextmanager
def watching(
    settings: Settings,
    names: Sequence[str],
    reading: Reading,
    metrics: Metrics,
    on_event: OnEvent,
) -> Iterator[Watching]:
    """What watches the sources, with a producer and the state of each.

    Raises SettingsError where a source or its state cannot be used, BrokerError where Kafka does
    not answer.
    """
    cluster = settings.kafka.cluster()
    sources = [source_of(name, settings, reading) for name in dict.fromkeys(names)]
    with (
        LagWatch(cluster, settings.intake.max_lag) as lag,
        Delivery(cluster) as delivery,
        contextlib.ExitStack() as stack,
    ):
        check_readable(cluster, DOCUMENTS)  # which is needed after a kill
        id = delivery.cluster_id()
        prefix = settings.kafka.topic_prefix
        watched = [
            Watched(source, stack.enter_context(Fed(settings.state_dir, prefix, key, id)))
            for source in sources
            for key in [_key(source)]
        ]
        yield Watching(watched, delivery, lag, metrics, on_event)


def _key(source: Source) -> str:
    """What a source is called in the state: a directory by its whole path."""
    return os.path.abspath(source.name) if isinstance(source, Directory) else source.name
