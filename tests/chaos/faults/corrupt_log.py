"""A byte of a batch is changed in the broker's log: its checksum is wrong from then on."""

import os
from pathlib import Path

from tests.chaos.poison import Poison, spread
from tests.chaos.scene import FaultClass, Scene
from tests.chaos.watch import READ_BY_STAGES

_TOPICS = (*sorted(READ_BY_STAGES), "curated")


def run(scene: Scene) -> None:
    [node] = scene.cluster.nodes
    for number in scene.rounds(2):
        marks = {topic: os.urandom(16).hex().encode() for topic in _TOPICS}
        if number == 0:
            # No worker reads them before they are corrupt.
            for process in scene.fleet.processes:
                scene.fleet.kill(process)
        with scene.fault("a batch is corrupt in the broker's log"):
            for topic, mark in marks.items():
                spread(scene, iter([Poison(topic, "corrupt", b"bad", b"\xff" + mark, [])]))
            node.stop()
            for topic, mark in marks.items():
                _corrupt(node.directory / "data", topic, mark)
            node.start()
            node.wait()
        [worker] = scene.fleet.processes
        with scene.fault("kill -9 of a worker that has a corrupt batch to read"):
            scene.fleet.kill(worker)


def _corrupt(data: Path, topic: str, mark: bytes) -> None:
    for log in data.glob(f"{topic}-*/*.log"):
        content = log.read_bytes()
        if (at := content.find(mark)) >= 0:
            with log.open("r+b") as file:
                file.seek(at)
                file.write(bytes([mark[0] ^ 0x20]))
            return
    raise AssertionError(f"no {mark!r} in the log of {topic}")


FAULT = FaultClass("corrupt-log", "corrupt batches in the broker's log", run, share=0.5)
