"""Poison of every kind on every topic, across restarts of the worker and the broker."""

from tests.chaos.poison import abort, everything, spread
from tests.chaos.scene import FaultClass, Scene

_ROUNDS = 6
_COMMANDS = ("status", "dead-letters list", "releases list", "describe")


def run(scene: Scene) -> None:
    [node] = scene.cluster.nodes
    [worker] = scene.fleet.processes
    # It reads the topics of poison too, and trains nothing.
    scene.fleet.add("trainer", scene.command("trainer", "-s", "training.min_examples=1000000"))
    for number in scene.rounds(_ROUNDS):
        with scene.fault("poison of every kind on every topic"):
            scene.notes["poisonous messages"] = len(scene.poison) + spread(
                scene, everything(oversize=number % 3 == 1)
            )
            abort(scene)
        if number % 2:
            with scene.fault("kill -9 of a worker that has poison to read again"):
                scene.fleet.kill(worker)
        elif number == 2:
            with scene.fault("restart of the broker with poison in its log"):
                node.kill()
                node.start()
                node.wait()
    for command in _COMMANDS:
        scene.check_command(command)
    scene.check_command("export", "-o", str(scene.directory / "curated.jsonl"))


FAULT = FaultClass("poison", "poison on every topic, across restarts", run)
