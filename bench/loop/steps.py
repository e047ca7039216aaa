"""Runs steps once: a step with a result file is not run again after a kill."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.atomic_file import write_atomically
from schemas.errors import SettingsError

Note = Callable[[str], None]
"""Sets the detail that the next line of progress shows. Raises PieceOver."""
Done = Callable[[int, Any], None]
"""Takes the number of an item and its value. Raises PieceOver."""

_EVERY_SECONDS = 10.0


class PieceOver(Exception):
    """The time of this run is over. What is done is on the disk."""


class Steps:
    """Owns the result files of an experiment, and the thread that prints its progress.

    To be used as a context manager.
    """

    def __init__(
        self,
        work: Path,
        identity: Mapping[str, Any],
        out: Callable[[str], None],
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """``identity`` determines the results: settings, and hashes of the base and the data.

        Where ``is_over`` is true, the run ends at the next step, item or progress of a training.
        Raises SettingsError if ``work`` has the results of another identity.
        """
        self._results, self._items = work / "results", work / "items"
        for directory in (self._results, self._items):
            directory.mkdir(parents=True, exist_ok=True)
        self._out, self._is_over = out, is_over
        self._step, self._detail = "", ""
        self._since = self._printed = time.monotonic()
        self._ended = threading.Event()
        self._printer = threading.Thread(target=self._print_progress, daemon=True)
        mine = json.loads(json.dumps(identity))
        known = self._results / "identity.json"
        if known.exists() and json.loads(known.read_text(encoding="utf-8")) != mine:
            raise SettingsError(
                f"{work} has results of other settings, data or base: choose another --work or "
                "delete it"
            )
        if not known.exists():
            write_atomically(known, json.dumps(mine) + "\n")

    def __enter__(self) -> Self:
        self._printer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._printer.join()

    def do(self, name: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return the value of a step from its file, or run it and write the file.

        The file also has the seconds that the step took: the value's own ``seconds``, where it has
        some. Raises PieceOver.
        """
        file = self._results / f"{name}.json"
        if not file.exists():
            self._begin(name)
            value = make()
            seconds = value.get("seconds", time.monotonic() - self._since)
            write_atomically(file, json.dumps({"seconds": seconds, "value": value}) + "\n")
            self._line(f"{name}: done in {seconds / 60:.1f} minutes")
            self._step = ""
        return json.loads(file.read_text(encoding="utf-8"))["value"]

    def do_items(
        self,
        name: str,
        count: int,
        work: Callable[[Sequence[int], Done], None],
        finish: Callable[[Sequence[Any]], Mapping[str, Any]],
    ) -> dict[str, Any]:
        """As ``do``, for a step of ``count`` items. An item that is done is not done again.

        ``work`` gets the numbers that are missing, and calls ``Done`` for each. ``finish`` makes
        the step's value of the items' values, in the order of their numbers.
        """

        def make() -> dict[str, Any]:
            items = _Items(self._items / f"{name}.jsonl")
            missing = [number for number in range(count) if number not in items.values]

            def done(number: int, value: Any) -> None:
                items.add(number, value)
                self.note(f"{len(items.values):,} of {count:,}")

            if missing:
                work(missing, done)
            value = finish([items.values[number] for number in range(count)])
            return {**value, "seconds": items.seconds}

        return self.do(name, make)

    def note(self, detail: str) -> None:
        """Set the detail that the next line of progress shows. Raises PieceOver."""
        self._detail = detail
        if self._is_over():
            raise PieceOver

    def _begin(self, name: str) -> None:
        if self._is_over():
            raise PieceOver
        self._step, self._detail, self._since = name, "", time.monotonic()

    def _print_progress(self) -> None:
        while not self._ended.wait(1.0):
            if self._step and time.monotonic() - self._printed > _EVERY_SECONDS:
                self._line(
                    f"{self._step}: {time.monotonic() - self._since:.0f} s, {self._detail}".rstrip(
                        ", "
                    )
                )

    def _line(self, text: str) -> None:
        self._printed = time.monotonic()
        self._out(text)


class _Items:
    """The finished items of a step, a line each, so that a kill loses at most one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.values: dict[int, Any] = {}
        self.seconds = 0.0
        """Time that the items took, in all runs."""
        whole = file.read_text(encoding="utf-8") if file.is_file() else ""
        # A kill may leave the beginning of a line.
        kept = whole[: whole.rfind("\n") + 1]
        if kept != whole:
            write_atomically(file, kept)
        for line in kept.splitlines():
            item = json.loads(line)
            self.values[item["number"]] = item["value"]
            self.seconds += item["seconds"]
        self._last = time.monotonic()

    def add(self, number: int, value: Any) -> None:
        now = time.monotonic()
        item = {"number": number, "seconds": now - self._last, "value": value}
        self._last = now
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(item) + "\n")
        self.values[number] = value
        self.seconds += item["seconds"]


@dataclass(frozen=True, slots=True)
class Results:
    """Reads the result files of an experiment."""

    directory: Path

    def value(self, name: str) -> dict[str, Any] | None:
        """Return the value of a step; None if it was not run."""
        file = self.directory / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8"))["value"] if file.exists() else None

    def by_seed(self, name: str, seeds: Sequence[int]) -> dict[int, Any]:
        """Return the values of a step for the training seeds with which it was run.

        ``name`` has braces in the place of the seed.
        """
        found = {seed: self.value(name.format(seed)) for seed in seeds}
        return {seed: value for seed, value in found.items() if value is not None}

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each finished step."""
        files = sorted(
            file for file in self.directory.glob("*.json") if file.name != "identity.json"
        )
        return {
            file.stem: json.loads(file.read_text(encoding="utf-8"))["seconds"] for file in files
        }
