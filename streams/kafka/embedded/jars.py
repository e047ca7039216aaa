"""The Kafka jars: resolved by jgo from Maven coordinates, checked against a lock file."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from schemas.errors import BrokerError

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-reload4j:1.7.36"
INFRA = Path(__file__).parents[3] / "infra" / "kafka"
"""Configuration templates and the checksums of the jars."""
_LOCK = Path(tempfile.gettempdir()) / f"backstream-jars-{os.getuid()}.lock"


@dataclass(frozen=True, slots=True)
class Jars:
    """A verified class path."""

    class_path: str

    @classmethod
    def resolve(cls) -> "Jars":
        """Fetch the jars that are not in jgo's cache, and verify the checksum of each.

        Raises BrokerError where a jar cannot be fetched or differs from the lock file.
        """
        import jgo  # slow to import, and not needed with a broker of the user's

        try:
            # jgo writes into its cache in place, so only one process at a time may fetch.
            with FileLock(_LOCK):
                files = jgo.build(KAFKA).all_jars
        except Exception as error:  # jgo raises many types for an unreachable repository
            raise BrokerError(
                f"the Kafka jars could not be fetched ({error!r}). The first start needs Maven "
                "Central; later ones need no network. Or pass --broker to use a Kafka of your own"
            ) from error
        lines = (INFRA / "jars.sha256").read_text().splitlines()
        locked = {name: digest for digest, name in (line.split() for line in lines)}
        found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        wrong = sorted(
            name for name in locked.keys() | found.keys() if locked.get(name) != found.get(name)
        )
        if wrong:
            raise BrokerError(
                f"jars differ from the lock: {', '.join(wrong)}. Delete them from jgo's cache and "
                "start again"
            )
        return cls(os.pathsep.join(str(file) for file in files))
