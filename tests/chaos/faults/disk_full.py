"""The broker's disk is full: a small file system of its own, filled and emptied again."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.scene import FaultClass, Scene, Unavailable

_MEGABYTES = 300
_FILLS = 3
_BLOCK = bytes(1024 * 1024)


def setup(scene: Scene, stack: ExitStack) -> None:
    """Mount a file system in memory where the node keeps its log."""
    directory = scene.directory / "node-1"
    directory.mkdir()
    options = f"size={_MEGABYTES}m"
    mount = ["mount", "-t", "tmpfs", "-o", options, "chaos", str(directory)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"a file system cannot be mounted here: {error}") from error
    stack.callback(subprocess.run, ["umount", "--lazy", str(directory)], check=False)


def run(scene: Scene) -> None:
    [node] = scene.cluster.nodes
    ballast = node.directory / "ballast"
    for _ in scene.rounds(_FILLS):
        with scene.fault("the broker's disk is full"):
            _fill(ballast)
            scene.feed(40)
            scene.until(lambda: not node.alive, 20)
            scene.notes["the broker ended"] = not node.alive
            ballast.unlink()
            node.kill()
            node.start()
            node.wait()


def _fill(ballast: Path) -> None:
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(_BLOCK)
    except OSError:
        os.sync()


FAULT = FaultClass("disk-full", "the broker's disk is full", run, setup=setup)
