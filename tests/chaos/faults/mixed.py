"""Faults of several classes in random order, some of them at once."""

import signal
from collections.abc import Callable, Mapping

from tests.chaos.poison import abort, everything, spread
from tests.chaos.scene import FaultClass, Scene

_FAULTS = 16


def kill_a_worker(scene: Scene) -> None:
    scene.fleet.kill(scene.chance.choice(scene.fleet.processes))


def kill_the_broker(scene: Scene) -> None:
    [node] = scene.cluster.nodes
    node.kill()
    scene.pause(scene.chance.uniform(0, 3))
    node.start()
    node.wait()


def cut_connections(scene: Scene) -> None:
    [proxy] = scene.cluster.proxies
    for _ in range(3):
        proxy.cut()
        scene.pause(scene.chance.uniform(0.05, 0.5))


def refuse_connections(scene: Scene) -> None:
    [proxy] = scene.cluster.proxies
    proxy.refuse()
    scene.pause(scene.chance.uniform(1, 5))
    proxy.heal()


def put_poison(scene: Scene) -> None:
    spread(scene, everything(oversize=False))
    abort(scene)


def stop_a_worker(scene: Scene) -> None:
    worker = scene.chance.choice([one for one in scene.fleet.processes if one.alive])
    worker.send(signal.SIGSTOP)
    scene.pause(scene.chance.uniform(5, 9))
    worker.send(signal.SIGCONT)


FAULTS: Mapping[str, Callable[[Scene], None]] = {
    "kill -9 of a worker": kill_a_worker,
    "kill -9 of the broker": kill_the_broker,
    "connections: cut": cut_connections,
    "connections: refuse": refuse_connections,
    "poison of every kind on every topic": put_poison,
    "SIGSTOP of a worker": stop_a_worker,
}


def run(scene: Scene) -> None:
    for _ in scene.rounds(_FAULTS):
        together = scene.chance.sample(sorted(FAULTS), scene.chance.choice((1, 1, 2, 3)))
        with scene.fault(" + ".join(together)):
            for kind in together:
                FAULTS[kind](scene)


FAULT = FaultClass("mixed", "several of these at once", run, workers=2, proxied=True)
