"""Hot swap: how long nothing comes out of a worker while it changes to another release.

The other release is a copy of the one in service under another id, so the work before and after is
the same. Ratings written are counted by time; beside the longest silence around the change stands
the longest one of the rest of the run.
"""

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from agents.scorer import Scorer
from bench.chain import stream_state
from bench.process import State, Tally, watch
from models.atomic_file import write_atomically
from models.releases.release import MANIFEST, read_manifest
from models.releases.signing import SIGNATURE
from schemas.release import Release, ReleaseStatus
from streams.releases.announcements import announce
from streams.settings import Settings
from streams.stages.metrics import Metrics
from streams.worker.release_follower import ReleaseFollower
from streams.worker.worker import Worker

_SAMPLE_SECONDS = 0.02
_AROUND_SECONDS = 1.0
"""What still counts as the change, after its end."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One change of release under load, in seconds."""

    change: float
    """From the announcement until the last record of the release before was done."""
    gap: float
    """The longest time without a rating written, from the announcement to shortly after the
    change.
    """
    usual_gap: float
    """The same, in the rest of the run."""
    ratings: int


async def swap(settings: Settings, directory: Path, fed: int, work: Path) -> Swap:
    """Take the fed documents through a worker, which changes its release a third of the way."""
    rerating = settings.rerating.model_copy(update={"enabled": False})
    settings = settings.model_copy(update={"rerating": rerating, "state_dir": work})
    metrics, written, changed = Metrics(), list[float](), asyncio.Event()
    tally = Tally(metrics)

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "serving":
            changed.set()

    worker = Worker(settings, metrics=metrics)
    async with ReleaseFollower(
        settings, directory, worker.roles, on_event, worker.reader
    ) as follower:
        running = asyncio.create_task(worker.run(follower.models.handles, follower))
        sampling = asyncio.create_task(_sample(tally, written))
        try:
            await watch(lambda: State(len(written), len(written) >= fed // 3))
            announced = time.perf_counter()
            await asyncio.to_thread(
                announce,
                settings.kafka.cluster(),
                copy_release(directory, settings.releases_dir / "r-copy", "r-copy"),
            )
            await changed.wait()
            change = time.perf_counter() - announced
            await watch(lambda: stream_state(tally.read(), fed), poll_seconds=0.05)
        finally:
            sampling.cancel()
            worker.stop()
            await asyncio.wait({running})
    gap, usual_gap = _gaps(written, announced, announced + change + _AROUND_SECONDS)
    return Swap(change, gap, usual_gap, ratings=len(written))


async def _sample(tally: Tally, written: list[float]) -> None:
    """Note when each rating was acknowledged, to the time between two looks."""
    while True:
        new = tally.read().get((Scorer.stage, "scored"), 0) - len(written)
        written.extend([time.perf_counter()] * new)
        await asyncio.sleep(_SAMPLE_SECONDS)


def _gaps(written: Sequence[float], begin: float, end: float) -> tuple[float, float]:
    inside = outside = 0.0
    for before, after in pairwise(written):
        if after >= begin and before <= end:
            inside = max(inside, after - before)
        else:
            outside = max(outside, after - before)
    return inside, outside


def copy_release(source: Path, directory: Path, id: str) -> Release:
    """Copy a release under another id: the same weights, complete, and ready to be announced."""
    shutil.copytree(source, directory, ignore=shutil.ignore_patterns(SIGNATURE))
    manifest = read_manifest(source)
    write_atomically(
        directory / MANIFEST,
        manifest.model_copy(update={"id": id, "parent": manifest.id}).model_dump_json(),
    )
    return Release(
        id=id,
        parent=manifest.id,
        base=manifest.id,
        status=ReleaseStatus.IN_SERVICE,
        location=str(directory),
        created_at=manifest.created_at,
    )
