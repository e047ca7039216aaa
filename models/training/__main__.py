"""Trains a release: ``python -m models.training``.

Required options: ``--base DIR --parent DIR --examples FILE.jsonl --output DIR``.

Standard output is JSON lines: ``precision`` (precision, reason), ``started`` (examples, seeds,
leaked, ratings, sequences), ``step`` (step, steps, loss, tokens_per_second, seconds_left),
``working`` (text: how far the export and the measurements after the steps are), ``evaluated``
(model: parent or new; metrics) and, last, ``released`` (id, directory, metrics, parent_metrics,
counts, intervals, verdict). A failure exits with 1, and the last line of standard error is
``{"event": "failed", "error": ...}``.

Under ``python -m torch.distributed.run --standalone --nproc-per-node N -m models.training ...`` N
processes train together, on a GPU each or on the CPU. The first one writes files and events.
"""

import os

# All of these must be set before torch and the hub's client are imported. The base is a directory,
# so the hub is not needed; TRL's telemetry is off.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# A worker computes beside this process: threads that wait for others must leave the CPU to it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import argparse
import contextlib
import json
import sys
import traceback
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from models.child_process import end_with_parent
from models.judging.evidence import EvidenceKind
from models.releases.release import read_manifest
from models.training.cpu_precision import FP32, find_cpu_precision
from models.training.mixing import Mix
from models.training.settings import TrainingSettings
from schemas.errors import BackstreamError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    end_with_parent()
    output = sys.stdout
    try:
        # Standard output is for events only, and libraries print as well.
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _train(options, output)
    except BackstreamError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or options.output}: {error.strerror or error}")
    except Exception as error:  # the last line must be the event, so the trace is printed first
        traceback.print_exc()
        return _fail(f"{type(error).__name__}: {error}")
    return 0


def _train(options: argparse.Namespace, output: TextIO) -> None:
    parent = options.parent or options.base
    for release in (options.base, parent):
        read_manifest(release)
    # Set by torch's launcher.
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))

    def emit(event: dict[str, Any]) -> None:
        if not rank:
            print(json.dumps(event), file=output, flush=True)

    # Of several processes, all must compute in the same precision.
    precision = FP32 if processes > 1 else find_cpu_precision(options.base, options.threads)
    precision.apply(os.environ)
    emit({"event": "precision", "precision": precision.name, "reason": precision.reason})
    # Imported here, because torch takes seconds and a wrong argument is reported at once.
    import torch
    from transformers.utils.logging import set_verbosity_error

    from models.training.run import Inputs, train

    set_verbosity_error()
    torch.set_num_threads(options.threads)

    if processes > 1 and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))

    chosen = {field.name: getattr(options, field.name, None) for field in fields(TrainingSettings)}
    chosen["processes"] = processes
    chosen["mix"] = Mix(
        tuple(sorted(options.shares)), options.least_confidence, options.weigh_confidence
    )
    settings = TrainingSettings(
        **{name: value for name, value in chosen.items() if value is not None}
    )
    train(
        Inputs(options.base, parent, options.examples, options.output, options.ratings),
        settings,
        emit,
        rank,
        cpu_bf16=precision.bf16,
    )


def _parser() -> argparse.ArgumentParser:
    defaults = TrainingSettings()
    parser = argparse.ArgumentParser(
        prog="python -m models.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--base", type=Path, required=True, help="the release directory that training starts from"
    )
    parser.add_argument(
        "--parent", type=Path, help="the release that curated the examples (default: the base)"
    )
    parser.add_argument(
        "--examples", type=Path, required=True, help="seeds and curated examples, as JSON lines"
    )
    parser.add_argument("--ratings", type=Path, help="human ratings, as JSON lines")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="the directory in which the release directory is written",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)"
    )
    parser.add_argument("--minutes", type=float, help="stop training after this time")
    parser.add_argument("--max-steps", type=int, help="stop training after this many steps")
    parser.add_argument(
        "--max-tokens", type=int, help=f"tokens to train on (default: {defaults.max_tokens:,})"
    )
    parser.add_argument(
        "--epochs", type=int, help=f"passes over the examples (default: {defaults.epochs})"
    )
    parser.add_argument(
        "--rate", type=float, help="learning rate (default: by the size of the base)"
    )
    parser.add_argument(
        "--lora-rank",
        type=int,
        help="rank of LoRA adapters; 0 for none (default: 16 for 1e9 parameters or more)",
    )
    parser.add_argument(
        "--batch", type=int, help="sequences in a step (default: 8 under 3,000 examples, else 32)"
    )
    parser.add_argument("--save-steps", type=int, help="steps between checkpoints (default: 25)")
    parser.add_argument(
        "--threshold",
        type=float,
        help=f"lowest rating that is kept (default: {defaults.threshold:g})",
    )
    parser.add_argument(
        "--target-precision",
        type=float,
        help="lowest estimated precision that is kept, in place of a threshold",
    )
    parser.add_argument(
        "--evidence",
        type=EvidenceKind,
        choices=list(EvidenceKind),
        help=f"what ratings are made from (default: {defaults.evidence})",
    )
    parser.add_argument(
        "--mix",
        dest="shares",
        type=_share,
        action="append",
        default=[],
        metavar="SOURCE=SHARE",
        help="share of a source in an epoch: seed, or a stage such as answerer; repeatable "
        "(default: each example once)",
    )
    parser.add_argument(
        "--least-confidence",
        type=float,
        default=0.0,
        help="leave out examples with a lower confidence (default: none)",
    )
    parser.add_argument(
        "--weigh-confidence",
        action="store_true",
        help="weigh the loss of responses by the confidence of their examples",
    )
    parser.add_argument("--seed", type=int, help="seed of the order and the grades (default: 0)")
    return parser


def _share(text: str) -> tuple[str, float]:
    source, _, share = text.partition("=")
    return source, float(share)


def _fail(message: str) -> int:
    print(json.dumps({"event": "failed", "error": message}), file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
