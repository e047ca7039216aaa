"""Runs the loop on real data, from a base to M2 with its controls.

``python -m bench.loop --data dolly.jsonl --work DIRECTORY --minutes 100``. The documentation is the
texts of ``backstream demo``, which every CPython has. Every run writes the report of what is there.
A run that was ended, by a kill or by ``--minutes``, is continued by the same command: it goes on
after the last finished step, within a training after the last checkpoint, and within other steps
after the last finished item. Exits with 3 where the time is over and something is left.
"""

import os

# All of these must be set before torch and the hub's client are imported: see
# models/training/__main__.py.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import argparse
import math
import sys
import time
import warnings
from pathlib import Path

import torch
from transformers.utils.logging import set_verbosity_error

from bench.loop.experiment import Inputs, identity, run
from bench.loop.plan import table
from bench.loop.report import Header, write_report
from bench.loop.served import Compute
from bench.loop.settings import TINY, LoopSettings
from bench.loop.steps import PieceOver, Results, Steps
from bench.report import machine
from models.releases.cache import default_cache
from models.releases.sources import checkpoint_of
from schemas.errors import BackstreamError
from streams.run.demo.documents import demo_documents

_LEFT = 3
"""Exit status where the time is over and something is left."""


def main() -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args()
    settings = TINY if options.tiny else LoopSettings()
    seeds = settings.training_seeds if options.training_seeds is None else options.training_seeds
    if not set(seeds) <= set(settings.training_seeds):
        print(f"training seeds are {settings.training_seeds}", file=sys.stderr)
        return 1
    torch.set_num_threads(options.threads)
    set_verbosity_error()
    warnings.simplefilter("ignore")
    started = time.monotonic()
    end = started + 60 * options.minutes

    def out(line: str) -> None:
        print(f"{(time.monotonic() - started) / 60:6.1f} min  {line}", flush=True)

    status, results = 0, Results(options.work / "results")
    try:
        if options.minutes > 0:
            _note_machine(options.work, options.device)
        base = checkpoint_of(options.base, default_cache(), out)
        inputs = Inputs(base, options.data, demo_documents(), options.work)
        with Steps(
            options.work, identity(inputs, settings), out, lambda: time.monotonic() > end
        ) as steps:
            run(inputs, settings, steps, Compute(options.device, options.threads), seeds)
    except PieceOver:
        status = _LEFT
        out(f"{options.minutes:g} minutes are over: run the same command again to go on")
    except BackstreamError as error:
        print(error, file=sys.stderr)
        return 1
    command = f"python -m bench.loop --base {_shown(options.base)} --data {options.data.name}"
    header = Header(
        command + " --tiny" * options.tiny + " --device cuda" * (options.device == "cuda"),
        " Then: ".join(_machines(options.work)),
    )
    docs = options.docs or (options.work if options.tiny else Path("docs/results"))
    print("\n".join(table(settings, results.seconds())))
    print(write_report(results, settings, header, docs))
    return status


def _machines(work: Path) -> list[str]:
    """The machines that computed results, a line each."""
    file = work / "machines.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _note_machine(work: Path, device: str) -> None:
    """Add this machine: the report may be written on another one."""
    found = machine()
    gpu = f", {torch.cuda.get_device_name()}" if device == "cuda" else ""
    line = f"{found['cores']} cores, Python {found['python']}{gpu}."
    if line not in (known := _machines(work)):
        work.mkdir(parents=True, exist_ok=True)
        (work / "machines.txt").write_text("\n".join([*known, line, ""]), encoding="utf-8")


def _shown(base: str) -> str:
    """A base without the path to it."""
    return Path(base).name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.loop",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument(
        "--base",
        default="smollm2",
        help="a model's name, a checkpoint directory or a GGUF file (default: smollm2)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work/loop"),
        help="results and adapters, up to 2 GB (default: work/loop)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="time after which the run ends, to be continued later; 0 writes the report alone",
    )
    parser.add_argument(
        "--docs",
        type=Path,
        help="where loop.md goes (default: docs/results; with --tiny, the work directory)",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="threads (default: all cores)"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="a short run as a test; its metrics mean nothing"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--training-seeds",
        type=int,
        nargs="+",
        metavar="SEED",
        help="only these; after a run that measured the base, several may run side by side",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
