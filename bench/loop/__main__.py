"""Runs the loop on real data, from a base to M2 with its controls.

``python -m bench.loop --data dolly.jsonl --documentation FILE``; the documentation is the output of
``models/house/documentation.sh``. A run that is started again continues after its last finished
step. At the end it writes docs/results/loop.md. It takes a base, 20 trainings and 18 measurements;
``bench/loop/plan.py`` estimates the time.
"""

import os

# All of these must be set before torch and the hub's client are imported: see
# models/training/__main__.py.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import argparse
import sys
import time
import warnings
from pathlib import Path

import torch
from transformers.utils.logging import set_verbosity_error

from bench.loop.experiment import Inputs, identity, run
from bench.loop.plan import table
from bench.loop.report import Header, write_report
from bench.loop.settings import TINY, LoopSettings
from bench.loop.steps import Results, Steps
from bench.report import machine
from schemas.errors import BackstreamError


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.loop", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument(
        "--documentation", type=Path, required=True, help="what `backstream segment` wrote"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work/loop"),
        help="results and checkpoints (default: work/loop)",
    )
    parser.add_argument(
        "--docs",
        type=Path,
        help="where loop.md goes (default: docs/results; with --tiny, the work directory)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count(),
        help="threads of the trainings (default: all cores)",
    )
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="a run of a minute as a test; its metrics mean nothing",
    )
    options = parser.parse_args()
    settings = TINY if options.tiny else LoopSettings()
    torch.set_num_threads(options.threads)
    set_verbosity_error()
    warnings.simplefilter("ignore")
    started, found = time.monotonic(), machine()

    def out(line: str) -> None:
        print(f"{(time.monotonic() - started) / 60:6.1f} min  {line}", flush=True)

    inputs = Inputs(options.data, options.documentation, options.work)
    results = Results(options.work / "results")
    try:
        with Steps(options.work, identity(inputs, settings), out) as steps:
            print("\n".join(table(settings, results.seconds())), flush=True)
            out("reading the data")
            run(inputs, settings, steps)
    except BackstreamError as error:
        print(error, file=sys.stderr)
        return 1
    command = (
        f"python -m bench.loop --data {inputs.data.name} --documentation "
        f"{inputs.documentation.name}"
    )
    docs = options.docs or (options.work if options.tiny else Path("docs/results"))
    header = Header(
        command + (" --tiny" if options.tiny else ""),
        f"{found['cores']} cores, Python {found['python']}.",
    )
    print("\n".join(table(settings, results.seconds())))
    print(write_report(results, settings, header, docs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
