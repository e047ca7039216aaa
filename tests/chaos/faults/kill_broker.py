"""kill -9 of the only broker, and a restart on the same log."""

from tests.chaos.scene import FaultClass, Scene

_KILLS = 8


def run(scene: Scene) -> None:
    [node] = scene.cluster.nodes
    for _ in scene.rounds(_KILLS):
        with scene.fault("kill -9 of the broker"):
            node.kill()
            scene.pause(scene.chance.choice((0.0, 1.0, 4.0, 12.0)))
            node.start()
            node.wait()


FAULT = FaultClass("kill-broker", "kill -9 and restart of the broker", run)
