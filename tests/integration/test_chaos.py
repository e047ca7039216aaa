"""A short form of ``make chaos``: faults against a running stream, and the verifier apart from it.

``python -m tests.chaos`` runs every class of faults with as many documents as wanted.
"""

from pathlib import Path

import pytest

from tests.chaos.faults.mixed import (
    cut_connections,
    kill_a_worker,
    kill_the_broker,
    put_poison,
    refuse_connections,
)
from tests.chaos.scene import FaultClass, Scene

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(1200)]
_DOCUMENTS = 120
_FAULTS = {
    "cut": cut_connections,
    "poison": put_poison,
    "kill a worker that has poison to read": kill_a_worker,
    "kill the broker": kill_the_broker,
    "refuse": refuse_connections,
    "kill a worker": kill_a_worker,
}


def _run(scene: Scene) -> None:
    rounds = scene.rounds(len(_FAULTS))
    for (kind, inject), _ in zip(_FAULTS.items(), rounds, strict=True):
        with scene.fault(kind):
            inject(scene)


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("seed", [7])
def test_nothing_is_lost_whatever_breaks(tmp_path: Path, seed: int) -> None:
    short = FaultClass(
        "short",
        "a short form of several classes",
        _run,
        proxied=True,
        # Other tests run on the same cores.
        settings=("threads=1",),
    )
    with Scene(short, seed, _DOCUMENTS, tmp_path / "chaos") as scene:
        result = scene.play()
    assert result.wrong == []
    assert result.problems == []
    assert result.verdict["fed"] >= _DOCUMENTS * 0.9
    assert result.verdict["dead"] == sum(scene.poison.values())
