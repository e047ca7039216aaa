"""Which stages have messages and no worker, and what starts one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from streams.quantities import as_count
from streams.settings import Settings


class Waiting(Protocol):
    """A stage and its lag."""

    @property
    def stage(self) -> str:
        """Its name."""

    @property
    def topic(self) -> str:
        """What it reads."""

    @property
    def lag(self) -> int:
        """Messages that it has yet to process."""


def missing_workers(
    stages: Sequence[Waiting],
    workers: Mapping[str, int],
    options: str,
    failing: Mapping[str, str],
) -> Iterator[str]:
    """Yield a sentence for what fails and for what no worker runs.

    ``workers`` are the number of each stage's workers, ``failing`` the processes of ``up`` with
    their errors. ``options`` of a worker name the broker and the state directory.
    """
    for name, error in failing.items():
        yield f"{name} of `backstream up` ends and is started again: {error}"
    if stages and not any(workers.get(stage.stage) for stage in stages):
        if not any(name.startswith("worker") for name in failing):
            yield f"no worker runs: start `backstream up`, or `backstream worker {options}`"
        return
    for stage in stages:
        if stage.lag and not workers.get(stage.stage):
            yield (
                f"{waiting(stage.lag)} on {stage.topic}: no worker runs the {stage.stage}; "
                f"start one with `backstream worker {options} --stages {stage.stage}`"
            )


def worker_options(settings: Settings) -> str:
    """The options with which a worker joins this stream."""
    options = f"--broker {settings.kafka.bootstrap_servers}"
    if settings.state_dir != Settings.model_fields["state_dir"].default:
        options += f" --state-dir {settings.state_dir}"
    return options


def waiting(count: int) -> str:
    """A number of messages that wait, as text."""
    return f"{as_count(count, 'message')} wait{'s' if count == 1 else ''}"
