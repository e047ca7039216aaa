"""The broker of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import SettingsError
from streams.cli.console import notice
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import broker_address
from streams.kafka.embedded.running import running_address
from streams.kafka.topics import Topic
from streams.settings import Settings


@contextmanager
def connected(settings: Settings, *topics: Topic, create_state: bool = False) -> Iterator[Settings]:
    """Yield the settings with the address of a broker.

    It has ``topics``, which are created where they are missing. An embedded broker has all topics.

    This is the broker that the settings name, the embedded one that runs on the state directory,
    or else an embedded one that runs for the length of the block.

    Raises SettingsError if an embedded broker is needed and the state directory has no data of one,
    unless ``create_state``. A command that only reads would otherwise start an empty Kafka there
    and report that nothing is wrong. Raises BrokerError.
    """
    given = settings.given_broker
    if given is None and not create_state:
        _check_state(settings)
    if given is None and not settings.broker_dir.exists():
        notice(
            f"{settings.state_dir} is new: `backstream up --state-dir {settings.state_dir}` starts "
            "a stream on what is written here"
        )
    with broker_address(given, settings.broker_dir, settings.port, notice) as address:
        settings = settings.with_broker(address)
        wanted = [one for one in settings.kafka.wanted_topics() if one.topic in topics or not given]
        if wanted:
            create_topics(settings.kafka.cluster(), wanted)
        yield settings


def running(settings: Settings) -> Settings:
    """Return the settings with the address of a broker that runs already; start none.

    Raises SettingsError where none is named and none runs on the state directory.
    """
    address = settings.given_broker or running_address(settings.broker_dir)
    if address is None:
        _check_state(settings)
        raise SettingsError(
            f"nothing runs on the state directory {settings.state_dir}: start `backstream up "
            f"--state-dir {settings.state_dir}`, name another directory, or pass --broker for a "
            "Kafka of your own"
        )
    return settings.with_broker(address)


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
