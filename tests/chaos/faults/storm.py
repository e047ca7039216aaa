"""Workers that join and leave quickly, and a consumer of another client in the same groups."""

import contextlib

from confluent_kafka import Consumer, KafkaError, KafkaException

from tests.chaos.processes import Process
from tests.chaos.scene import FaultClass, Scene
from tests.chaos.watch import STAGES

_JOINS = 12
_STRANGER_SECONDS = 3.0
_REFUSED = KafkaError.INCONSISTENT_GROUP_PROTOCOL


def run(scene: Scene) -> None:
    guests: list[Process] = []
    for number in scene.rounds(_JOINS):
        with scene.fault("a worker joins or leaves"):
            if len(guests) < 2 or (len(guests) < 4 and scene.chance.random() < 0.5):
                # Without a model they start in a second or two, and take partitions all the same.
                guests.append(scene.add_worker("--stages", "segmenter,curator"))
                scene.pause(scene.chance.uniform(0.5, 3.0))
            else:
                leaving = guests.pop(scene.chance.randrange(len(guests)))
                code = scene.fleet.remove(leaving, drain=scene.chance.random() < 0.7)
                scene.notes.setdefault("exit codes", []).append(code)  # type: ignore[attr-defined]
        if number % 4 == 3:
            with scene.fault("a stranger joins the groups"):
                _join_as_a_stranger(scene)


def _join_as_a_stranger(scene: Scene) -> None:
    """librdkafka does not speak faust's protocol of assignment: the coordinator refuses it."""
    for stage, topic in STAGES.items():
        stranger = Consumer(
            {
                "bootstrap.servers": scene.address,
                "group.id": f"backstream.{stage}",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        refused = False
        with contextlib.suppress(KafkaException):
            stranger.subscribe([topic])
            message = stranger.poll(_STRANGER_SECONDS)
            error = message.error() if message is not None else None
            refused = error is not None and error.code() == _REFUSED
            if message is not None and error is None:
                scene.problems.append(f"a stranger was given a partition of {topic}")
        scene.notes[f"stranger in {stage}"] = "refused" if refused else "not answered"
        stranger.close()
        scene.pause(0)


FAULT = FaultClass("storm", "rebalance storm", run)
