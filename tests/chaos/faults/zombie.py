"""SIGSTOP of a worker for longer than its session, while another takes over, then SIGCONT."""

import signal

from tests.chaos.scene import FaultClass, Scene

_STOPS = 5
_PAST_THE_SESSION = (8.0, 14.0)


def run(scene: Scene) -> None:
    for _ in scene.rounds(_STOPS):
        stopped = scene.chance.choice(scene.fleet.processes)
        with scene.fault("SIGSTOP past the session"):
            # Recovery is by the other worker: it ends before the stopped one wakes up.
            stopped.send(signal.SIGSTOP)
        scene.pause(scene.chance.uniform(*_PAST_THE_SESSION))
        with scene.fault("SIGCONT after the session"):
            stopped.send(signal.SIGCONT)


FAULT = FaultClass("zombie", "SIGSTOP past the session, then SIGCONT", run, workers=2)
