"""Runs steps once: a step with a result file is not run again after a kill."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from schemas.errors import SettingsError

Note = Callable[[str], None]
"""Sets the detail that the next line of progress shows."""

_EVERY_SECONDS = 10.0


class Steps:
    """Owns the result files of an experiment, and the thread that prints its progress.

    To be used as a context manager.
    """

    def __init__(self, work: Path, identity: Mapping[str, Any], out: Callable[[str], None]) -> None:
        """``identity`` determines the results: settings and hashes of the data.

        Raises SettingsError if ``work`` has the results of another identity.
        """
        self._results = work / "results"
        self._results.mkdir(parents=True, exist_ok=True)
        self._out = out
        self._step, self._detail, self._since, self._printed = (
            "",
            "",
            time.monotonic(),
            time.monotonic(),
        )
        self._ended = threading.Event()
        self._printer = threading.Thread(target=self._print_progress, daemon=True)
        mine = json.loads(json.dumps(identity))
        known = self._results / "identity.json"
        if known.exists() and json.loads(known.read_text(encoding="utf-8")) != mine:
            raise SettingsError(
                f"{work} has results of other settings or data: choose another --work or delete it"
            )
        if not known.exists():
            _write(known, mine)

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

        The file also has the seconds that the step took.
        """
        file = self._results / f"{name}.json"
        if not file.exists():
            self._step, self._detail, self._since = name, "", time.monotonic()
            value = make()
            seconds = value.get("seconds", time.monotonic() - self._since)
            _write(file, {"seconds": seconds, "value": value})
            self._line(f"{name}: done in {seconds / 60:.1f} minutes")
            self._step = ""
        return json.loads(file.read_text(encoding="utf-8"))["value"]

    def note(self, detail: str) -> None:
        """Set the detail that the next line of progress shows."""
        self._detail = detail

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


@dataclass(frozen=True, slots=True)
class Results:
    """Reads the result files of an experiment."""

    directory: Path

    def value(self, name: str) -> dict[str, Any] | None:
        """Return the value of a step; None if it was not run."""
        file = self.directory / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8"))["value"] if file.exists() else None

    def of_seeds(self, name: str, seeds: Sequence[int]) -> list[Any]:
        """Return the values of a step for all training seeds; none if one is missing.

        ``name`` has braces in the place of the seed.
        """
        found = [self.value(name.format(seed)) for seed in seeds]
        return [] if any(each is None for each in found) else found

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each finished step."""
        files = sorted(
            file for file in self.directory.glob("*.json") if file.name != "identity.json"
        )
        return {
            file.stem: json.loads(file.read_text(encoding="utf-8"))["seconds"] for file in files
        }


def _write(file: Path, value: Mapping[str, Any]) -> None:
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(json.dumps(value) + "\n", encoding="utf-8")
    temporary.replace(file)
