"""kill -9 of the trainer at each step of a release, and of the worker while it changes to it."""

from functools import partial

from tests.chaos.scene import FaultClass, Scene
from tests.chaos.verifier import read

_STEPS = ("training", "started", "step", "evaluated", "released", "announced")
_STEP_SECONDS = 240.0


def run(scene: Scene) -> None:
    [worker] = scene.fleet.processes
    options = ("training.min_examples=3", "training.max_tokens=8000", "training.threads=1")
    settings = [part for one in options for part in ("-s", one)]
    trainer = scene.fleet.add("trainer", scene.command("trainer", *settings))
    for number in scene.rounds(len(_STEPS)):
        step = _STEPS[number]
        at_step = partial(trainer.has_event, step)
        scene.await_true(f"the trainer is at {step!r}", at_step, _STEP_SECONDS)
        with scene.fault(f"kill -9 of the trainer at {step!r}"):
            scene.fleet.kill(trainer)
    scene.await_true("a release is announced", lambda: bool(_releases(scene)), _STEP_SECONDS)
    release = _releases(scene)[-1]
    scene.fleet.remove(trainer)
    scene.check_command(f"releases promote {release}")
    scene.await_true("the worker serves the release", lambda: worker.has_event("serving"))
    with scene.fault("kill -9 of the worker after a change of releases"):
        scene.fleet.kill(worker)
    scene.notes["releases"] = len(set(_releases(scene)))


def _releases(scene: Scene) -> list[str]:
    messages = read(scene.address, ["releases"])
    return [(message.key or b"").decode(errors="replace") for message in messages]


FAULT = FaultClass("kill-trainer", "kill -9 of the trainer at each step", run)
