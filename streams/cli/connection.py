"""The broker of a command.

``running`` is for commands that show what a stream does now: without a stream they have nothing to
show. ``connected`` is for those that read or write what the topics hold, which needs no worker.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from schemas.errors import SettingsError
from streams.cli.console import notice
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.embedded.running import running_address
from streams.kafka.topics import Topic
from streams.quantities import as_duration
from streams.run.state_lock import holder
from streams.settings import Settings


@contextmanager
def connected(settings: Settings, *topics: Topic, create_state: bool = False) -> Iterator[Settings]:
    """Yield the settings with the address of a broker.

    It has ``topics``, which are created where they are missing. An embedded broker has all topics.

    This is the broker that the settings name, the embedded one that runs on the state directory,
    or else an embedded one that runs for the length of the block, which is said on standard error.

    Raises SettingsError where an ``up`` on the state directory is about to start its own, and where
    an embedded broker is needed and the directory has no data of one, unless ``create_state``. A
    command that only reads would otherwise start an empty Kafka there and report that nothing is
    wrong. Raises BrokerError.
    """
    given = settings.given_broker
    address = _address(settings)
    if address is None and not create_state:
        _check_state(settings)
    with nullcontext(address) if address else _started(settings) as at:
        settings = settings.with_broker(at)
        wanted = [one for one in settings.kafka.wanted_topics() if one.topic in topics or not given]
        if wanted:
            create_topics(settings.kafka.cluster(), wanted)
        yield settings


@contextmanager
def _started(settings: Settings) -> Iterator[str]:
    """Run the embedded broker; yield its address."""
    directory = settings.state_dir
    if not settings.broker_dir.exists():
        notice(
            f"{directory} is new: `backstream up --state-dir {directory}` starts a stream on what "
            "is written here"
        )
    notice(f"nothing runs on {directory}: starting its Kafka for as long as this command runs")
    began = time.monotonic()
    with EmbeddedBroker(settings.broker_dir, settings.port) as broker:
        notice(f"Kafka has started, in {as_duration(time.monotonic() - began)}")
        yield broker.address


def running(settings: Settings) -> Settings:
    """Return the settings with the address of a broker that runs already; start none.

    Raises SettingsError where none is named and none runs on the state directory.
    """
    address = _address(settings)
    if address is None:
        _check_state(settings)
        raise SettingsError(
            f"nothing runs on the state directory {settings.state_dir}: start `backstream up "
            f"--state-dir {settings.state_dir}`, name another directory, or pass --broker for a "
            "Kafka of your own"
        )
    return settings.with_broker(address)


def _address(settings: Settings) -> str | None:
    """The broker that is named, or that runs on the state directory; None without one.

    Raises SettingsError where ``up`` holds the state directory, and its broker is not known.
    """
    address = settings.given_broker or running_address(settings.broker_dir)
    if address is None and (process := holder(settings.state_dir)) is not None:
        raise SettingsError(
            f"`backstream up` or `demo` runs on {settings.state_dir}, as process {process}, and "
            "its Kafka does not run yet, or no more: try again in a moment. If it was given "
            "--broker, pass the same one"
        )
    return address


def _check_state(settings: Settings) -> None:
    if settings.broker_dir.is_dir():
        return
    directory = settings.state_dir
    problem = (
        f"{directory} holds no Kafka data" if directory.exists() else f"{directory} does not exist"
    )
    raise SettingsError(
        f"the state directory {problem}: name another with --state-dir, start a stream with "
        f"`backstream up --state-dir {directory}`, or pass --broker for a Kafka of your own"
    )
