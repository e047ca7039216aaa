"""Three brokers, each record on all of them: one is lost and comes back, then two at once."""

from tests.chaos.scene import FaultClass, Scene

_LOSSES = 4


def run(scene: Scene) -> None:
    for number in scene.rounds(_LOSSES):
        lost = scene.chance.sample(scene.cluster.nodes, 1 if number < _LOSSES - 1 else 2)
        if len(lost) == 1:
            with scene.fault("one of three brokers is lost"):
                lost[0].kill()
            with scene.fault("the lost broker comes back"):
                lost[0].start()
                lost[0].wait()
            continue
        with scene.fault("two of three brokers are lost and come back"):
            for node in lost:
                node.kill()
            scene.pause(scene.chance.uniform(3.0, 10.0))
            for node in lost:
                node.start()
            for node in lost:
                node.wait()


FAULT = FaultClass("three-brokers", "three brokers, of which one or two are lost", run, nodes=3)
