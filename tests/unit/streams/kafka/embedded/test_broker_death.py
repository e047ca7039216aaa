"""Why a broker ended, from logs as Kafka writes them."""

from pathlib import Path

import pytest

from streams.kafka.embedded import broker_death
from streams.kafka.embedded.broker_death import death

_NOISE = """\
2026-11-26T17:21:00.857005904Z main ERROR Reconfiguration failed: No configuration found
2026-11-26 17:21:00,100 WARN org.apache.kafka.x: Permission denied, only a warning
"""
_FULL = """\
2026-11-26 17:21:03,510 ERROR org.apache.kafka.storage.internals.log.LogDirFailureChannel: Error while writing to checkpoint file /data/rejected-0/x
java.io.IOException: No space left on device
\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)
2026-11-26 17:21:03,600 ERROR kafka.server.ReplicaManager: Shutdown broker because all log dirs in /data have failed
"""  # noqa: E501
_PORT = """\
2026-11-26 17:21:03,510 ERROR kafka.server.BrokerServer: [BrokerServer id=1] Fatal error during broker startup.
org.apache.kafka.common.KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address already in use.
\tat kafka.network.Acceptor.openServerSocket(SocketServer.scala:728)
Caused by: java.net.BindException: Address already in use
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
2026-11-26 17:21:03,511 INFO kafka.server.KafkaRaftServer: bye
"""  # noqa: E501
_HEAP = "java.lang.OutOfMemoryError: Java heap space\nDumping heap to java_pid1.hprof ...\n"
_MODES = """\
2026-11-26 17:21:03,510 ERROR kafka.Kafka$: Exiting Kafka due to fatal exception
java.nio.file.AccessDeniedException: /data/meta.properties
"""
_ODD = """\
2026-11-26 17:21:03,510 FATAL kafka.Kafka$: something unknown
java.lang.IllegalStateException: one
Caused by: java.lang.RuntimeException: two
"""


def _explain(directory: Path, text: str, code: int = 1, since: int = 0) -> broker_death.Death:
    log = directory / "kafka.log"
    log.write_text(text)
    return death(code, log, since)


@pytest.mark.parametrize(
    ("text", "reason", "shown", "passing"),
    [
        (_FULL, "the disk is full: free some space", "No space left on device", False),
        (_PORT, "another process listens on its port", "BindException", False),
        (_HEAP, "Java ran out of memory", "Java heap space", True),
        (_MODES, "it may not use one of its files", "/data/meta.properties", False),
        (_ODD, "exit status 1", "something unknown; Caused by: java.lang.RuntimeExc", True),
        ("", "exit status 1, and the log names no error", "kafka.log", True),
    ],
    ids=["disk", "port", "heap", "modes", "odd", "nothing"],
)
def test_the_cause_is_named_and_not_the_noise(tmp_path, text, reason, shown, passing) -> None:
    found = _explain(tmp_path, _NOISE + text)
    assert found.reason.startswith(reason)
    assert shown in found.reason
    assert "Reconfiguration" not in found.reason
    assert found.passing is passing


def test_an_earlier_run_in_the_same_log_is_not_quoted(tmp_path) -> None:
    found = _explain(tmp_path, _FULL, code=-9, since=len(_FULL))
    assert found.reason.startswith("SIGKILL, sent by kill -9 or")
    assert found.passing


def test_a_disk_that_is_full_is_named_where_the_log_could_not_be_written(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(broker_death, "_FULL_BYTES", 1 << 60)
    assert _explain(tmp_path, "").reason.startswith(f"the disk is full: {tmp_path} has")


def test_a_log_that_is_not_there_is_no_error(tmp_path) -> None:
    for code in (-15, 143):
        assert death(code, tmp_path / "kafka.log", 0).reason == "SIGTERM"
    assert death(-6, tmp_path / "kafka.log", 0).reason.startswith("exit status -6, and the log")
