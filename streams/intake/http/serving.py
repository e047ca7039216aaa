"""The HTTP intake while it runs: its socket, its producer, and its reading of the lag."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from schemas.errors import SettingsError
from streams.intake.http.server import Connections, Intake, runner_of
from streams.intake.lag_watch import LagWatch
from streams.kafka.writing.writer import KafkaWriter
from streams.settings import Settings
from streams.settings.address import Address
from streams.stages.metrics import Metrics

_BACKLOG = 128


@contextlib.asynccontextmanager
async def serving(settings: Settings, metrics: Metrics) -> AsyncIterator[Address]:
    """Accept documents while the block runs, and yield the address; port 0 chooses a free one.

    At the end no further request is accepted, and those in flight are finished. Raises
    SettingsError where the address cannot be used, BrokerError where Kafka does not answer.
    """
    wanted = settings.intake.address
    cluster = settings.kafka.cluster()
    listening = _listen(wanted)
    with listening, LagWatch(cluster, settings.intake.max_lag) as lag:
        async with KafkaWriter(cluster) as writer:
            intake = Intake(settings.intake, writer, lag, metrics)
            runner = runner_of(intake)
            await runner.setup()
            assert runner.server is not None
            server = await asyncio.get_running_loop().create_server(
                Connections(runner.server, intake), sock=listening, backlog=_BACKLOG
            )
            try:
                yield Address(wanted.host, listening.getsockname()[1])
            finally:
                intake.stopping = True
                server.close()
                await runner.cleanup()


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"intake.listen {address} cannot be used: {error.strerror or error}. Choose another "
            "port with --listen, or 0 for any free one"
        ) from error
