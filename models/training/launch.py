"""The trainer agent: decides when to train, and runs one training in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.child_process import ending_with
from models.evaluation.bootstrap import Estimate
from models.evaluation.promotion import Verdict
from models.releases.release import write_atomically
from schemas.errors import TrainingError
from schemas.records import Example, HumanRating, Record


@dataclass(frozen=True, slots=True)
class TrainingPolicy:
    """When a run starts: enough new examples, or long enough since the last with any new example at
    all.
    """

    min_examples: int = 200
    max_seconds: float = 6 * 3600.0

    def due(self, new_examples: int, seconds_since_last: float) -> bool:
        """Whether to train now."""
        return new_examples >= self.min_examples or (
            new_examples > 0 and seconds_since_last >= self.max_seconds
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: the release, its held-out figures and its parent's, how far chance moves
    their changes, the verdict.
    """

    id: str
    directory: Path
    metrics: Mapping[str, float]
    parent_metrics: Mapping[str, float]
    intervals: Mapping[str, Estimate]
    """Release minus parent, with the ends of the 95% interval, of each figure."""
    verdict: Verdict
    """Made where each pair was measured, and kept in the manifest: a run that is found again has
    the same.
    """


class Trainer:
    """Runs ``python -m models.training``. Training needs torch, which its process takes with it
    when it ends.
    """

    def __init__(
        self,
        releases: Path,
        *,
        threads: int,
        max_tokens: int,
        on_event: Callable[[Mapping[str, Any]], None],
        lora_rank: int | None = None,
        processes: int = 1,
        threshold: float = 4.0,
    ) -> None:
        """``threads`` are shared by the ``processes``. The rest is as in
        ``models.training.settings``.
        """
        self._releases = releases
        self._threads = threads
        self._max_tokens = max_tokens
        self._on_event = on_event
        self._lora_rank = lora_rank
        self._processes = processes
        self._threshold = threshold
        self._process: subprocess.Popen[str] | None = None

    def train(
        self,
        base: Path,
        parent: Path,
        examples: Iterable[Example],
        ratings: Iterable[HumanRating] = (),
    ) -> Trained:
        """Fine-tune from ``base`` on ``examples``. Blocks. Started again with the same input it
        goes on from its checkpoint.

        ``ratings`` are people's: the release's own are calibrated to them. Raises TrainingError
        with the process's own words where it fails.
        """
        self._releases.mkdir(parents=True, exist_ok=True)
        file, rated = self._releases / "examples.jsonl", self._releases / "ratings.jsonl"
        _write(file, examples)
        _write(rated, ratings)
        command = [
            *self._launcher(),
            "--base",
            str(base),
            "--parent",
            str(parent),
            "--output",
            str(self._releases),
        ]
        command += [
            "--examples",
            str(file),
            "--ratings",
            str(rated),
            "--max-tokens",
            str(self._max_tokens),
        ]
        command += [
            "--threads",
            str(max(1, self._threads // self._processes)),
            "--threshold",
            str(self._threshold),
        ]
        if self._lora_rank is not None:
            command += ["--lora-rank", str(self._lora_rank)]
        with tempfile.TemporaryFile("w+") as errors:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
                # A single process asks by itself; torch's launcher does not.
                preexec_fn=ending_with(os.getpid()) if self._processes > 1 else None,
            )
            released = self._follow(self._process)
            code = self._process.wait()
            self._process = None
            if code or released is None:
                errors.seek(0)
                raise TrainingError(
                    f"training ended with exit code {code}: {_last_words(errors.read())}"
                )
        return Trained(
            released["id"],
            Path(released["directory"]),
            released["metrics"],
            released["parent_metrics"],
            {
                name: (value, low, high)
                for name, (value, low, high) in released["intervals"].items()
            },
            Verdict(**released["verdict"]),
        )

    def stop(self) -> None:
        """End a run in progress; its checkpoint stays. Safe to call from a signal handler."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def _launcher(self) -> list[str]:
        module = ["-m", "models.training"]
        if self._processes == 1:
            return [sys.executable, *module]
        # Not accelerate's launcher: it reads a configuration of the user's, and runs a single
        # process on a CPU.
        launch = [
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={self._processes}",
        ]
        return [sys.executable, *launch, *module]

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


def _write(file: Path, records: Iterable[Record]) -> None:
    write_atomically(file, "".join(f"{record.model_dump_json()}\n" for record in records))


def _last_words(text: str) -> str:
    """The process's own error line where it left one, else the end of what it wrote."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(line).get("error", line))
    return text.strip()[-500:] or "no message"
