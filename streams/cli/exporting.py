"""How an export is carried out: once, to a file or to the hub, or on and on."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from schemas.errors import SettingsError
from schemas.records import Example
from streams.cli.connection import connected, running
from streams.cli.console import notice
from streams.cli.stop_signal import StopSignal
from streams.cli.waiting import Waiting
from streams.data.card import Export, card, card_path, write_card
from streams.data.changes import changes, newest
from streams.data.decisions import read_decisions
from streams.data.hub import TOKEN, push
from streams.data.preference_card import preference_card
from streams.data.preferences import preferences
from streams.data.rotation import Follow, Rotation
from streams.data.selection import Selection, Split
from streams.data.shards import Form, side_path, write_shards
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CURATED
from streams.observe.acceptance import read_acceptance
from streams.quantities import as_count
from streams.releases.announcements import read_releases
from streams.settings import Settings
from streams.trainer.broker_probe import BrokerProbe

_NEAR_SHARE = 0.05
"""How far the training share of the rows may be off before it is said."""


@dataclass(frozen=True, slots=True)
class Push:
    """Where to push to."""

    repo: str
    """``ORG/NAME``."""
    private: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be exported once."""

    form: Form
    selection: Selection
    split: Split | None
    output: Path | None
    push: Push | None
    license: str | None
    with_card: bool

    @property
    def unit(self) -> str:
        """What a row is."""
        return "preferences" if self.form.shape == "dpo" else "examples"

    def counted(self, number: int) -> str:
        """A number of rows with its noun."""
        return as_count(number, "preference pair" if self.unit == "preferences" else "example")


@dataclass(frozen=True, slots=True)
class Found:
    """What was read for a request."""

    before: int
    """How many there were before the filters."""
    sides: dict[str, list[Any]]
    """Items by side; without a split all are in ``train``."""
    left_out: int

    @property
    def items(self) -> list[Any]:
        """All that are written."""
        return [item for side in self.sides.values() for item in side]


def export_once(settings: Settings, request: Request, as_json: bool) -> None:
    """Write the files, push, and print what was done. Raises BackstreamError."""
    token = os.environ.get(TOKEN, "")
    if request.push and not token:
        raise SettingsError(f"--push needs a token of the hub: set the variable {TOKEN}")
    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        found = _read(cluster, request)
        report: dict[str, Any] = {request.unit: len(found.items)}
        if request.output is not None:
            report |= _write(request, found, request.output)
        if request.push or (request.output and request.with_card):
            described = _Description(cluster, settings, request, found)
            if request.output is not None and request.with_card:
                report["card"] = str(described.write_beside(request.output))
            if request.push is not None:
                report["pushed"] = _push(request, found, request.push, described, token)
    print(json.dumps(report) if as_json else _said(request, report))
    for remark in remarks(request, found):
        notice(remark)


def _read(cluster: Cluster, request: Request) -> Found:
    """What is chosen, in the order of the topic."""
    every: list[Any]
    if request.form.shape == "dpo":
        every = preferences(cluster)
    else:
        kept = newest(cluster, partial(needed, with_evidence=request.form.with_evidence))
        found = sorted(kept, key=lambda change: (change.partition, change.offset))
        every = [change.example for change in found if change.example is not None]
    items = request.selection.of(every, request.form.traits)
    if request.split is None:
        return Found(len(every), {"train": items}, 0)
    parts = request.split.parts(items, request.form.traits)
    return Found(len(every), {"train": parts.train, "test": parts.test}, parts.left_out)


def needed(example: Example, with_evidence: bool) -> Example:
    """An example without what neither a row nor the card has, which takes half of the memory."""
    rating = example.rating
    if rating is not None and not with_evidence:
        rating = rating.model_copy(update={"evidence": {}})
    return example.model_copy(update={"rating": rating, "alternatives": ()})


def _write(request: Request, found: Found, output: Path) -> dict[str, Any]:
    """Write the files, and return what is reported of them."""
    if request.split is None:
        request.form.write(found.items, output)
        return {"file": str(output)}
    files = {side: side_path(output, side) for side in found.sides}
    for side, path in files.items():
        request.form.write(found.sides[side], path)
    return {
        "files": {side: str(path) for side, path in files.items()},
        "counts": {side: len(items) for side, items in found.sides.items()},
        "left_out": found.left_out,
    }


class _Description:
    """The card of an export, for each place that it is written to."""

    def __init__(
        self, cluster: Cluster, settings: Settings, request: Request, found: Found
    ) -> None:
        self._request = request
        self._found = found
        self._releases = read_releases(cluster)
        is_dpo = request.form.shape == "dpo"
        self._decisions = [] if is_dpo else read_decisions(cluster)
        accepted = None if is_dpo else read_acceptance(cluster, settings)
        self._about = Export(
            Path("data.parquet"),
            request.form.shape,
            request.license,
            datetime.now(UTC).date(),
            str(accepted) if accepted else "",
            filters=request.selection.described(),
            before=found.before,
            counts={side: len(items) for side, items in found.sides.items()},
            left_out=found.left_out,
            share=request.split.share if request.split else None,
        )

    def write_beside(self, output: Path) -> Path:
        """Write the card of ``output`` beside it, and return its path."""
        sides = {}
        if self._request.split:
            sides = {side: [side_path(output, side).name] for side in self._found.sides}
        return write_card(self.text(output, sides), card_path(output))

    def text(self, file: Path, sides: dict[str, list[str]]) -> str:
        """The card. ``sides`` has the files of each side, where there are several."""
        about = replace(self._about, file=file, sides=sides)
        if self._request.form.shape == "dpo":
            return preference_card(about, self._found.items, self._releases)
        return card(about, self._found.items, self._releases, self._decisions)


def _push(request: Request, found: Found, target: Push, described: _Description, token: str) -> str:
    """Push the set as shards of Parquet, and return its address."""
    with TemporaryDirectory(prefix="backstream-push-") as folder:
        shards = {
            side: write_shards(request.form, items, Path(folder), side)
            for side, items in found.sides.items()
        }
        names = {side: [f"data/{path.name}" for path in paths] for side, paths in shards.items()}
        text = described.text(Path(target.repo.rpartition("/")[2]), names)
        every = [path for paths in shards.values() for path in paths]
        return push(target.repo, every, text, token=token, private=target.private)


def _said(request: Request, report: dict[str, Any]) -> str:
    count = request.counted(report[request.unit])
    parts = []
    if "file" in report:
        parts.append(f"in {report['file']}")
    if "files" in report:
        counts = report["counts"]
        parts += [f"{counts[side]:,} in {path}" for side, path in report["files"].items()]
        if report["left_out"]:
            parts.append(f"{report['left_out']:,} left out, as related to the test side")
    if "card" in report:
        parts.append(f"described in {report['card']}")
    if "pushed" in report:
        parts.append(f"pushed to {report['pushed']}")
    colon = ":" if "files" in report else ""
    return f"{count}{colon} {', '.join(parts)}"


def remarks(request: Request, found: Found) -> Iterator[str]:
    """What is to be known of the files that were written."""
    if not found.items:
        yield _why_empty(request, found.before)
    if empty := [side for side, items in found.sides.items() if not items]:
        where = "" if request.split is None else f"{' and '.join(empty)}: "
        yield f"{where}there is no row, and `datasets` cannot load a file without rows"
    if request.split is None or not found.items:
        return
    share = len(found.sides["train"]) / len(found.items)
    if abs(share - request.split.share) > _NEAR_SHARE:
        yield (
            f"{share:.0%} are for training, not {request.split.share:.0%}: what is of one document "
            "or conversation stays on one side, and the share is one of documents. With more "
            "documents it is nearer"
        )


def _why_empty(request: Request, before: int) -> str:
    """Why there is nothing, and what to do."""
    if before:
        filters = "; ".join(request.selection.described())
        return f"none of {request.counted(before)} passes the filters: {filters}"
    if request.unit == "preferences":
        return (
            "there is no pair: set preferences.enabled, and generation.samples above 1 or "
            "rewriting.enabled, and run a worker"
        )
    return "there is no example yet: `backstream status` shows how far the stream is"


def export_on(follow: Follow, settings: Settings) -> None:
    """Write files as examples come, until Ctrl-C or SIGTERM. Raises BackstreamError."""
    settings = running(settings)
    stopped = StopSignal()
    with BrokerProbe(settings.kafka.cluster()) as probe:
        cluster = settings.kafka.cluster()
        what = f"examples, which workers write to {cluster.topic(CURATED)} at {cluster.address}"
        waiting = Waiting(what, lambda: probe.not_ready, notice)
        with Rotation(follow, cluster.topic(CURATED), notice) as rotation:

            def stop() -> bool:
                rotation.tick(time.monotonic())
                return stopped.asked or waiting.look()

            for change in changes(cluster, rotation.next(), stop=stop):
                waiting.came()
                rotation.take(change, time.monotonic())
            rotation.rotate()
            notice(
                f"{as_count(rotation.written, 'row')} written; the same command goes on from here"
            )
