"""The trainer agent: decides when to train, and runs one training in a process of its own."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.gate import Verdict, judge
from models.release import write_beside
from schemas.errors import TrainingError
from schemas.records import Example


@dataclass(frozen=True, slots=True)
class TrainingPolicy:
    """When a run starts: enough new examples, or long enough since the last with any new example at all."""

    min_examples: int = 200
    max_seconds: float = 6 * 3600.0

    def due(self, new_examples: int, seconds_since_last: float) -> bool:
        """Whether to train now."""
        return new_examples >= self.min_examples or (new_examples > 0 and seconds_since_last >= self.max_seconds)


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: the release, its held-out figures and its parent's, and whether it takes service."""

    id: str
    directory: Path
    metrics: Mapping[str, float]
    parent_metrics: Mapping[str, float]
    verdict: Verdict


class Trainer:
    """Runs ``python -m models.training``. Training needs torch, which its process takes with it when it ends."""

    def __init__(self, releases: Path, *, threads: int, max_tokens: int, on_event: Callable[[Mapping[str, Any]], None]) -> None:
        self._releases = releases
        self._threads = threads
        self._max_tokens = max_tokens
        self._on_event = on_event
        self._process: subprocess.Popen[str] | None = None

    def train(self, base: Path, parent: Path, examples: Iterable[Example]) -> Trained:
        """Fine-tune from ``base`` on ``examples``. Blocks. Started again with the same input it goes on from its checkpoint.

        Raises TrainingError with the process's own words where it fails.
        """
        self._releases.mkdir(parents=True, exist_ok=True)
        file = self._releases / "examples.jsonl"
        write_beside(file, "".join(f"{example.model_dump_json()}\n" for example in examples))
        command = [sys.executable, "-m", "models.training", "--base", str(base), "--parent", str(parent), "--examples", str(file)]
        command += ["--output", str(self._releases), "--threads", str(self._threads), "--max-tokens", str(self._max_tokens)]
        with tempfile.TemporaryFile("w+") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True)
            released = self._follow(self._process)
            code = self._process.wait()
            self._process = None
            if code or released is None:
                errors.seek(0)
                raise TrainingError(f"training ended with exit code {code}: {_last_words(errors.read())}")
        metrics, parent_metrics = released["metrics"], released["parent_metrics"]
        return Trained(released["id"], Path(released["directory"]), metrics, parent_metrics, judge(metrics, parent_metrics))

    def stop(self) -> None:
        """End a run in progress; its checkpoint stays. Safe to call from a signal handler."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def _follow(self, process: "subprocess.Popen[str]") -> Mapping[str, Any] | None:
        released = None
        assert process.stdout is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:  # a library's chatter
                continue
            if not isinstance(event, dict) or "event" not in event:
                continue
            self._on_event(event)
            if event["event"] == "released":
                released = event
        return released


def _last_words(text: str) -> str:
    """The process's own error line where it left one, else the end of what it wrote."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(line).get("error", line))
    return text.strip()[-500:] or "no message"
