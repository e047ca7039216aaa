"""What ``check`` tries: the broker and the models."""

import asyncio

from streams.cli.prepare import prepare_all
from streams.kafka.broker import running_address
from streams.kafka.jars import Jars
from streams.observe.lag import FlowReader
from streams.settings import Settings
from streams.worker.role_models import RoleModels


def probe_broker(settings: Settings) -> str:
    """Ask the broker for its topics, or verify the embedded broker's jars. Raises BrokerError."""
    address = settings.given_broker or running_address(settings.broker_dir)
    if address is None:
        Jars.resolve()
        return "the embedded Kafka's jars are here and have the locked sums"
    kafka = settings.with_broker(address).kafka
    with FlowReader(kafka.cluster()) as reader:
        used = sum(1 for count in reader.read().messages.values() if count)
    return f"{address} answers; {used} of Backstream's topics hold messages"


def probe_models(settings: Settings) -> str:
    """Load the model of each role and name its release and device.

    Raises ModelError or SettingsError.
    """
    models = asyncio.run(RoleModels.load(settings, prepare_all(settings)))
    try:
        return ", ".join(
            f"{role} {handle.release} on {handle.device}" for role, handle in models.handles.items()
        )
    finally:
        models.close()
