"""What the next training run waits for."""

import time
from dataclasses import dataclass

from models.training.policy import TrainingPolicy
from schemas.release import Release
from streams.quantities import as_count, as_duration
from streams.settings import Settings
from streams.trainer.curated_set import CuratedSet


@dataclass(frozen=True, slots=True)
class TrainingWait:
    """Examples that have come since the last training run, and how many start the next one."""

    new: int
    needed: int
    seconds_left: float | None
    """Until it starts with fewer. None where nothing was trained here yet."""
    max_seconds: float

    def __str__(self) -> str:
        otherwise = (
            f"{as_duration(self.max_seconds)} after the trainer started"
            if self.seconds_left is None
            else f"in {as_duration(self.seconds_left)}"
        )
        more = as_count(self.needed - self.new, "more example")
        return (
            f"training waits for {more}: {self.new:,} of {self.needed:,} are new "
            f"(training.min_examples); with any new one it starts {otherwise} "
            "(training.max_seconds)"
        )


def training_wait(
    settings: Settings, serving: Release | None, now: float | None = None
) -> TrainingWait | None:
    """What the trainer on this state directory waits for, as its copy of the set has it.

    None where none has run here, where a run is due, and where it has trained on everything.
    ``serving`` is the release that serves. Raises TrainingError where the copy cannot be read.
    """
    training = settings.training
    with CuratedSet.looked_at(settings.dataset_file) as curated:
        if curated is None:
            return None
        term = serving.term if serving and settings.rates_again else 0
        new, last = curated.arrivals_since_training(term), curated.last_training()
    # Without a run before, the time counts from the trainer's start, which is not known here.
    waited = None if last is None else (time.time() if now is None else now) - last
    policy = TrainingPolicy(training.min_examples, training.max_seconds)
    if policy.due(new, waited or 0.0) or (waited is not None and not new):
        return None
    left = None if waited is None else training.max_seconds - waited
    return TrainingWait(new, training.min_examples, left, training.max_seconds)
