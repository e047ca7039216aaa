"""The classes of faults: a file for each."""

from tests.chaos.faults import (
    corrupt_log,
    disk_full,
    kill_broker,
    kill_trainer,
    kill_up,
    kill_worker,
    mixed,
    network,
    poison,
    restoring,
    storm,
    three_brokers,
    zombie,
)

CLASSES = (
    kill_worker.FAULT,
    kill_broker.FAULT,
    kill_trainer.FAULT,
    kill_up.FAULT,
    zombie.FAULT,
    storm.FAULT,
    network.FAULT,
    restoring.FAULT,
    poison.FAULT,
    corrupt_log.FAULT,
    disk_full.FAULT,
    three_brokers.FAULT,
    mixed.FAULT,
)
"""In the order in which they run."""
