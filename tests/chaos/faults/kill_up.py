"""kill -9 of ``up``, with the broker, the worker and the supervisor that it runs."""

import os
import signal

from tests.chaos.scene import FaultClass, Scene

_KILLS = 5


def run(scene: Scene) -> None:
    [up] = scene.fleet.processes
    for _ in scene.rounds(_KILLS):
        with scene.fault("kill -9 of `up`"):
            # Of that process alone: what it started has to end by itself.
            scene.fleet.expect(up)
            os.kill(up.pid, signal.SIGKILL)


FAULT = FaultClass("kill-up", "`up` is killed and started again", run, workers=0, nodes=0)
