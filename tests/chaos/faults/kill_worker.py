"""kill -9 of a worker, with records in flight, and a new one a second later."""

from tests.chaos.scene import FaultClass, Scene

_KILLS = 20


def run(scene: Scene) -> None:
    for _ in scene.rounds(_KILLS):
        worker = scene.chance.choice(scene.fleet.processes)
        with scene.fault("kill -9 of a worker"):
            scene.fleet.kill(worker)


FAULT = FaultClass("kill-worker", "kill -9 of a worker", run, share=2)
