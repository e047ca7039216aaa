"""Checks and measures the engine and the trainer on a GPU: ``make gpu``.

Or ``python -m bench.gpu [SECTION ...]``. Each section runs in a process of its own, with a limit of
time, so that one that fails does not stop the others. Without a GPU it says so and returns 0. With
``--device cpu`` the same code runs on small sizes, which shows only that it works.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.report import Row, machine, publish
from models.engine.cuda import cuda_problem, has_driver

_SECTIONS = {
    "exactness": 100,
    "sampling": 60,
    "speed-0.5": 80,
    "speed-1.5": 130,
    "training": 60,
    "agents": 100,
}
"""Most seconds of each. A failed one is reported, and makes the exit code 1."""
_PACKAGES = ("onnxruntime-gpu", "torch", "transformers")


def main() -> int:
    """Run the sections and report. Returns the exit code."""
    options = _parse()
    if options.section_file:
        _write_rows(options)
        return 0
    problem = cuda_problem()
    if options.device == "cuda" and problem is not None:
        there = "a driver is installed, but " if has_driver() else ""
        print(f"skipped: no GPU can be used here: {there}{problem}")
        return 0
    found = machine() | _versions(options.device)
    rows: list[Row] = []
    failed: list[str] = []
    for section in options.sections or _SECTIONS:
        rows += _run(section, options, failed)
    rows.sort(key=_order(rows))
    publish(found, 1, rows, options.output)
    print("\n".join(failed))
    if options.markdown:
        options.markdown.write_text(_markdown(found, rows, failed), encoding="utf-8")
    return int(bool(failed) or not all(row.met for row in rows if row.target))


def _run(section: str, options: argparse.Namespace, failed: list[str]) -> list[Row]:
    """Run a section in a process of its own; note in ``failed`` where it did not end well."""
    with tempfile.TemporaryDirectory(prefix="backstream-gpu-", dir=options.scratch) as scratch:
        file = Path(scratch, "rows.jsonl")
        command = [sys.executable, "-m", "bench.gpu", section, "--device", options.device]
        command += ["--section-file", str(file), "--scratch", scratch]
        for checkpoint in options.checkpoint:
            command += ["--checkpoint", str(checkpoint)]
        started = time.monotonic()
        try:
            code = subprocess.run(command, timeout=_SECTIONS[section], check=False).returncode
            ending = f"ended with exit code {code}"
        except subprocess.TimeoutExpired:
            code, ending = 1, f"was stopped after {_SECTIONS[section]} seconds"
        seconds = time.monotonic() - started
        print(f"{section}: {seconds:.0f} s", file=sys.stderr, flush=True)
        if code:
            failed.append(f"{section} {ending}")
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [*(Row(**json.loads(line)) for line in lines), Row("Seconds", section, [seconds])]


def _write_rows(options: argparse.Namespace) -> None:
    """Write each row as soon as it is measured."""
    scratch = options.scratch / "work"
    with options.section_file.open("w", encoding="utf-8") as file:
        for row in _rows(options, scratch):
            values = [float(value) for value in row.values]
            file.write(
                json.dumps(
                    {
                        "section": row.section,
                        "label": row.label,
                        "values": values,
                        "at_most": row.at_most,
                        "at_least": row.at_least,
                    }
                )
                + "\n"
            )
            file.flush()
            print(f"{row.section}: {row.label}: {row.median:.6g}", file=sys.stderr, flush=True)


def _rows(options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    # Imported here: the parent needs no torch, and a section none of the others.
    from bench.gpu import agents, exactness, sampling, speed, training

    (section,), device = options.sections, options.device
    on_gpu = device == "cuda"
    if section == "exactness":
        return exactness.measure(scratch, device, options.checkpoint, 24 if on_gpu else 3)
    if section == "sampling":
        return sampling.measure(scratch, device, 151_936 if on_gpu else 2000, 6 if on_gpu else 4)
    if section == "training":
        shape, steps, length = ("0.5 B", 30, 384) if on_gpu else ("tiny", 12, 32)
        return training.measure(scratch, device, shape, steps, length)
    if section == "agents":
        return agents.measure(scratch, device, options.checkpoint, 150 if on_gpu else 4)
    if not on_gpu:
        small = speed.Sizes(64, (32, 64), 16, (1, 2), 6, 4)
        return speed.measure(scratch, device, "tiny", small)
    shape = "0.5 B" if section == "speed-0.5" else "1.5 B"
    return speed.measure(scratch, device, shape, speed.Sizes())


def _versions(device: str) -> dict[str, Any]:
    found = {name: version(name) for name in _PACKAGES}
    if device == "cuda":
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total"]
        answer = subprocess.run(
            [*asked, "--format=csv,noheader"], capture_output=True, text=True, check=False
        )
        found["gpu"] = answer.stdout.strip()
    return found


def _markdown(found: dict[str, Any], rows: list[Row], failed: list[str]) -> str:
    lines = ["# On a GPU", "", "Written by `make gpu`.", ""]
    lines += [f"- {name}: {value}" for name, value in found.items()]
    lines += [f"- **{line}**" for line in failed]
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", "", "| what | value | target |", "|---|---|---|"]
        verdict = f"{row.target}: {'met' if row.met else '**missed**'}" if row.target else ""
        lines.append(f"| {row.label} | {row.median:,.4g} | {verdict} |")
    return "\n".join(lines) + "\n"


def _order(rows: list[Row]) -> Callable[[Row], int]:
    """Keep the rows of a section together, in the order in which sections first appear."""
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(row.section, len(first))
    return lambda row: first[row.section]


def _parse() -> Any:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*_SECTIONS, []], metavar="SECTION")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        help="another checkpoint to check, such as SmolLM2's; may be repeated",
    )
    parser.add_argument("--scratch", type=Path, help="directory for the graphs, of some GB")
    parser.add_argument("--output", type=Path, help="write the rows to this file, as JSON")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument("--section-file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
