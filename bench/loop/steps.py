"""Steps with results that outlive a kill: a step whose result file is there is not done again."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from schemas.errors import SettingsError

Note = Callable[[str], None]
"""Takes a word on how far a step is; it is shown with the next line of progress."""

_EVERY_SECONDS = 10.0


class Steps:
    """Owns the result files of one experiment, and the thread that tells how it goes. To be used as
    a context manager.
    """

    def __init__(self, work: Path, identity: Mapping[str, Any], out: Callable[[str], None]) -> None:
        """``identity`` is all that decides the results: settings and sums of the data.

        Raises SettingsError where ``work`` holds the results of another identity.
        """
        self._results = work / "results"
        self._results.mkdir(parents=True, exist_ok=True)
        self._out = out
        self._step, self._detail, self._since, self._told = (
            "",
            "",
            time.monotonic(),
            time.monotonic(),
        )
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)
        mine = json.loads(json.dumps(identity))
        known = self._results / "identity.json"
        if known.exists() and json.loads(known.read_text(encoding="utf-8")) != mine:
            raise SettingsError(
                f"{work} holds results of other settings or data: name another --work or delete it"
            )
        if not known.exists():
            _write(known, mine)

    def __enter__(self) -> Self:
        self._teller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._teller.join()

    def do(self, name: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The value of a step: read from its file, or made and written there with the seconds that
        it took.
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
        """How far the step is."""
        self._detail = detail

    def _tell(self) -> None:
        while not self._ended.wait(1.0):
            if self._step and time.monotonic() - self._told > _EVERY_SECONDS:
                self._line(
                    f"{self._step}: {time.monotonic() - self._since:.0f} s, {self._detail}".rstrip(
                        ", "
                    )
                )

    def _line(self, text: str) -> None:
        self._told = time.monotonic()
        self._out(text)


@dataclass(frozen=True, slots=True)
class Results:
    """The result files of an experiment, for reading."""

    directory: Path

    def value(self, name: str) -> dict[str, Any] | None:
        """What a step gave; None where it was not done."""
        file = self.directory / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8"))["value"] if file.exists() else None

    def seconds(self) -> dict[str, float]:
        """What each finished step took."""
        files = sorted(
            file for file in self.directory.glob("*.json") if file.name != "identity.json"
        )
        return {
            file.stem: json.loads(file.read_text(encoding="utf-8"))["seconds"] for file in files
        }


def _write(file: Path, value: Mapping[str, Any]) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(json.dumps(value) + "\n", encoding="utf-8")
    beside.replace(file)
