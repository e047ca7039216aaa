"""Runs one training in a process of its own."""

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

from models.atomic_file import write_atomically
from models.child_process import ending_with
from models.evaluation.estimate import Estimate
from models.evaluation.verdict import Verdict
from models.judging.criterion import Criterion
from models.training.mixing import Mix
from schemas.errors import TrainingError
from schemas.record import Record
from schemas.records import Example, HumanRating

_AS_THEY_ARE = Mix()


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A finished run: the release, its held-out metrics and its parent's, and the verdict."""

    id: str
    directory: Path
    metrics: Mapping[str, float]
    parent_metrics: Mapping[str, float]
    intervals: Mapping[str, Estimate]
    """Release minus parent for each metric, with its 95% bootstrap interval."""
    verdict: Verdict
    """As in the manifest, so a run that is found again has the same verdict."""


class TrainingLauncher:
    """Runs ``python -m models.training``, so that torch's memory is freed when a run ends."""

    def __init__(
        self,
        releases: Path,
        *,
        threads: int,
        max_tokens: int,
        on_event: Callable[[Mapping[str, Any]], None],
        criterion: Criterion,
        lora_rank: int | None = None,
        processes: int = 1,
        mix: Mix = _AS_THEY_ARE,
    ) -> None:
        """``threads`` are divided among the ``processes``.

        The other parameters are those of ``models.training.settings``.
        """
        self._releases = releases
        self._threads = threads
        self._max_tokens = max_tokens
        self._on_event = on_event
        self._lora_rank = lora_rank
        self._processes = processes
        self._criterion = criterion
        self._mix = mix
        self._process: subprocess.Popen[str] | None = None

    def train(
        self,
        base: Path,
        parent: Path,
        examples: Iterable[Example],
        ratings: Iterable[HumanRating] = (),
    ) -> TrainingResult:
        """Fine-tune ``base`` on ``examples``, and wait for the end.

        A run that is started again with the same input continues from its checkpoint. The ratings
        of the release are calibrated to the human ``ratings``. Raises TrainingError with the error
        message of the process.
        """
        self._releases.mkdir(parents=True, exist_ok=True)
        file, rated = self._releases / "examples.jsonl", self._releases / "ratings.jsonl"
        _write(file, examples)
        _write(rated, ratings)
        command = [*self._command(), *self._options(base, parent, file, rated)]
        with tempfile.TemporaryFile("w+") as errors:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
                # A single process arranges this itself; torch's launcher does not.
                preexec_fn=ending_with(os.getpid()) if self._processes > 1 else None,
            )
            released = self._follow(self._process)
            code = self._process.wait()
            self._process = None
            if code or released is None:
                errors.seek(0)
                raise TrainingError(
                    f"training ended with exit code {code}: {_error_message(errors.read())}"
                )
        return TrainingResult(
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
        """End a run in progress, and keep its checkpoint. Safe to call from a signal handler."""
        if (process := self._process) is not None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def kill(self) -> None:
        """End a run in progress that does not stop. Its last checkpoint remains."""
        if (process := self._process) is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _command(self) -> list[str]:
        module = ["-m", "models.training"]
        if self._processes == 1:
            return [sys.executable, *module]
        # Not accelerate's launcher: it reads the user's configuration, and runs a single process on
        # a CPU.
        launch = [
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={self._processes}",
        ]
        return [sys.executable, *launch, *module]

    def _options(self, base: Path, parent: Path, examples: Path, ratings: Path) -> list[str]:
        options: dict[str, object] = {
            "--base": base,
            "--parent": parent,
            "--output": self._releases,
            "--examples": examples,
            "--ratings": ratings,
            "--max-tokens": self._max_tokens,
            "--threads": max(1, self._threads // self._processes),
            "--evidence": self._criterion.evidence,
            "--threshold": self._criterion.threshold,
        }
        if self._criterion.target_precision is not None:
            options["--target-precision"] = self._criterion.target_precision
        if self._lora_rank is not None:
            options["--lora-rank"] = self._lora_rank
        mix = self._mix
        options["--least-confidence"] = mix.least_confidence
        return [
            *(str(part) for option in options.items() for part in option),
            *(part for name, share in mix.shares for part in ("--mix", f"{name}={share}")),
            *(["--weigh-confidence"] if mix.weighs else []),
        ]

    def _follow(self, process: "subprocess.Popen[str]") -> Mapping[str, Any] | None:
        released = None
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:  # output of a library
                    continue
                if not isinstance(event, dict) or "event" not in event:
                    continue
                self._on_event(event)
                if event["event"] == "released":
                    released = event
        return released


def _write(file: Path, records: Iterable[Record]) -> None:
    write_atomically(file, "".join(f"{record.model_dump_json()}\n" for record in records))


def _error_message(text: str) -> str:
    """Return the error event of the process if there is one, else the end of its output."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(line).get("error", line))
    return text.strip()[-500:] or "no message"
