"""Finds the reason why no broker answers a running worker."""

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

from streams.kafka.cluster import Cluster
from streams.kafka.connection.diagnosis import diagnose

log = logging.getLogger(__name__)
_SECONDS = 5.0


class BrokerWatch:
    """Looks for the cause while a consumer is not answered.

    A worker does not end where its user or a certificate is refused while it runs: it waits, and
    continues once that is put right. The client libraries only log that, below what is shown.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cause: str | None = None
        """Why no broker answers. None where one does, or where no cause is found."""
        self._cluster = cluster

    async def run(self, silent: Callable[[], bool]) -> NoReturn:
        """Look for a cause whenever ``silent()``. Logs each change of it once."""
        while True:
            cause = await asyncio.to_thread(self._find) if silent() else None
            if cause is not None and cause != self.cause:
                log.warning("no broker answers: %s", cause)
            self.cause = cause
            await asyncio.sleep(_SECONDS)

    def _find(self) -> str | None:
        try:
            found = diagnose(self._cluster)
        except Exception as error:  # whatever answers there, the worker waits for its broker
            return f"the cause could not be found ({error!r})"
        return str(found) if found is not None else None
