"""Training's progress: what came since the newest release, and the run that is under way."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streams.page.store.release_ratings import releases_of
from streams.page.store.stream_views import LossPoint, RunView, TrainingView

_MOST_POINTS = 500
_LARGEST_STATE = 16 * 1024 * 1024


def training_of(database: sqlite3.Connection, releases_dir: Path | None) -> TrainingView:
    """See ``Store.training``."""
    seeds, examples = database.execute(
        "SELECT total(generator = 'seed'), total(generator <> 'seed') FROM items"
        " WHERE verdict = 'accepted'"
    ).fetchone()
    [since] = database.execute(
        "SELECT count(*) FROM items WHERE verdict = 'accepted' AND generator <> 'seed'"
        " AND at > (SELECT coalesce(max(at), 0) FROM releases)"
    ).fetchone()
    return TrainingView(
        seeds=int(seeds),
        examples=int(examples),
        since_release=since,
        run=run_in(releases_dir) if releases_dir else None,
        releases=releases_of(database),
    )


def run_in(releases_dir: Path) -> RunView | None:
    """The training run whose checkpoints lie in a releases directory, as of the newest of them.

    None where there is none. A run that was killed is there until it is finished.
    """
    found = sorted(_states(releases_dir), key=lambda state: state[0], reverse=True)
    for at, file in found:
        try:
            if file.stat().st_size > _LARGEST_STATE:
                continue
            state = json.loads(file.read_text(encoding="utf-8"))
            return _run(file, at, state)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # it is being written, or was removed
    return None


def _states(releases_dir: Path) -> Iterator[tuple[float, Path]]:
    """Files of checkpoints, and when each was written."""
    for file in releases_dir.glob("*.training/checkpoints/checkpoint-*/trainer_state.json"):
        try:
            yield file.stat().st_mtime, file
        except OSError:
            continue


def _run(file: Path, at: float, state: dict[str, Any]) -> RunView:
    losses = [
        LossPoint(int(entry["step"]), float(entry["loss"]))
        for entry in state["log_history"]
        if "loss" in entry
    ]
    return RunView(
        run=file.parents[2].name.removesuffix(".training"),
        step=int(state["global_step"]),
        steps=int(state["max_steps"]),
        losses=tuple(losses[:: max(1, -(-len(losses) // _MOST_POINTS))]),
        at=at,
    )
